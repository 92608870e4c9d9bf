/**
 * A plugin that writes down what runs in it: one line when an attempt starts and
 * one when it ends, into a file of its own. What it wrote is held against what
 * the host says of the same jobs.
 *
 * It has a child in a session of its own, which must not outlive it.
 */
import { appendFileSync, existsSync } from "node:fs";
import { definePlugin, type Job } from "qntx";

const LOOK_MS = 10;

/** Writes one line. Appending is one write, so lines of two processes do not mix. */
function note(path: string | undefined, line: object): void {
  if (path) appendFileSync(path, `${JSON.stringify({ ...line, pid: process.pid, at: Date.now() })}\n`);
}

/** Notes the start and the end of an attempt around what it does; `how` it ended is what `run` says. */
function witnessed(run: (job: Job) => Promise<string>) {
  return async (job: Job) => {
    const { id, attempt, trigger, scheduleId = "", occurrence = "" } = job;
    const line = { plugin: "witness", id, attempt, trigger, scheduleId, occurrence };
    note(job.qntx.config["record"], { what: "start", ...line });
    const how = await run(job);
    note(job.qntx.config["record"], { what: "end", ...line, how });
  };
}

async function untilReleased(job: Job, obeys: boolean): Promise<string> {
  while (!existsSync(`${job.qntx.config["record"]}.${job.id}`)) {
    if (obeys && job.signal.aborted) return String(job.signal.reason);
    await Bun.sleep(LOOK_MS);
  }
  return "released";
}

export default definePlugin({
  name: "witness",
  version: "1.0.0",
  jobs: {
    work: witnessed(async (job) => {
      await Bun.sleep(job.payload?.ms ?? 0);
      return "done";
    }),
    /** Runs until a file of its name appears, or it is told to end. */
    hold: witnessed((job) => untilReleased(job, true)),
    /** Does not hear that it is told to end. */
    stubborn: witnessed((job) => untilReleased(job, false)),
  },
  start(host) {
    const { record, child } = host.config;
    if (child) Bun.spawn(["setsid", "sleep", child], { stdio: ["ignore", "ignore", "ignore"] });
    note(record, { what: "born", plugin: "witness" });
  },
});
