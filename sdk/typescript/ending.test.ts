/** What becomes of jobs when their plugin is told to end, and the host goes on. */
import { expect, test } from "bun:test";
import { Driver } from "./driver.ts";
import type { Job, JobHandler } from "./qntx.ts";

const untilAborted = (job: Job) =>
  new Promise<void>((resolve) => job.signal.addEventListener("abort", () => resolve(), { once: true }));

// the handler                                       what the host is told when the plugin ends
const cutShort: [string, JobHandler, { success: boolean; snooze: boolean | undefined }][] = [
  [
    "listens and returns",
    async (job) => {
      job.log("running");
      await untilAborted(job);
      return "half of it";
    },
    { success: false, snooze: true },
  ],
  [
    "listens and throws anything",
    async (job) => {
      job.log("running");
      await untilAborted(job);
      throw new TypeError("the socket is closed");
    },
    { success: false, snooze: true },
  ],
  [
    "does not listen and comes to its end",
    async (job) => {
      job.log("running");
      await Bun.sleep(50);
      return "all of it";
    },
    { success: true, snooze: undefined },
  ],
];
test.each(cutShort)(
  "a job whose plugin ends goes back unspent, unless it is done: it %s",
  async (_, go, told) => {
    await using driver = await Driver.start({ name: "p", version: "1.0.0", jobs: { go } });
    const stream = await driver.open();
    const job = stream.start("p.go");
    await stream.until(() => stream.logs.length === 1);
    const stopping = driver.plugin.stop();
    const { success, error } = await stream.finished(job);
    expect({ success, snooze: error?.snooze }).toEqual(told);
    await stopping;
  },
);
