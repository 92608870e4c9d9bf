/** Ten thousand jobs of a hundred concurrency keys through a real host that is killed on the way: how many of a key run at once. */
import { expect, test } from "bun:test";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Place } from "./host.ts";

const STORY_LIMIT_MS = 120_000;
const JOBS = 10_000;
const KEYS = 100;
const PER_KEY = 2; // As testdata/keyed.ts says.

test(
  "two of a key at once and never three, over retries and a kill -9, and all of them run",
  async () => {
    await using place = new Place('[plugin]\nenabled = ["keyed"]\n');
    cpSync(join(import.meta.dir, "testdata/keyed.ts"), join(place.home, "plugins/keyed.ts"));
    const log = place.write("runs.txt", "");
    await place.start();
    await place.working();
    const jobs = Array.from({ length: JOBS }, (_, index) => ({
      handler: "keyed.work",
      concurrencyKey: `customer-${index % KEYS}`,
      retry: "fixed:1s",
      payload: { key: index % KEYS, fails: index % 50 === 0, log },
    }));
    await place.call("job.enqueueMany", { jobs });
    await place.until("a third of the runs", async () => linesOf(log).length > (2 * JOBS) / 3);
    await place.host.crash();
    await place.start();
    await place.working();
    const completed = async () =>
      (await place.call<{ jobs: Record<string, number> }>("host.status")).jobs["completed"] === JOBS;
    await place.until("the end of all jobs", completed);
    expect(mostAtOnce(linesOf(log))).toBe(PER_KEY);
  },
  STORY_LIMIT_MS,
);

function linesOf(log: string): string[] {
  return readFileSync(log, "utf8").split("\n").slice(0, -1);
}

/** The most runs of one key at once. What a killed process had begun has ended with it. */
function mostAtOnce(lines: readonly string[]): number {
  const running = new Map<string, number>();
  let most = 0;
  let lastPid = "";
  for (const line of lines) {
    const [pid = "", what, key = ""] = line.split(" ");
    if (pid !== lastPid) running.clear();
    lastPid = pid;
    const count = (running.get(key) ?? 0) + (what === "begin" ? 1 : -1);
    running.set(key, count);
    most = Math.max(most, count);
  }
  return most;
}
