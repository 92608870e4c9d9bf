/** The plugin of the power cuts: its jobs enqueue over gRPC, print numbers, and write down what ran. */
import { appendFileSync } from "node:fs";
import { definePlugin, type Job } from "qntx";

/** Writes one line. Appending is one write, so lines do not mix. */
function note({ id, attempt, scheduleId = "", occurrence = "", qntx }: Job, what: string): void {
  const line = { plugin: "sower", id, attempt, scheduleId, occurrence, what, how: "done", at: Date.now() };
  appendFileSync(qntx.config["record"] ?? "", `${JSON.stringify({ ...line, pid: process.pid })}\n`);
}

const paused = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Notes the start and the end of a run around what it does. */
function noted(run: (job: Job) => Promise<unknown>) {
  return async (job: Job) => {
    note(job, "start");
    const result = await run(job);
    note(job, "end");
    return result;
  };
}

export default definePlugin({
  name: "sower",
  version: "1.0.0",
  jobs: {
    work: noted((job) => paused(job.payload?.ms ?? 0)),
    /** Enqueues one job after the other, each when the one before was acknowledged. Gives their ids. */
    sow: noted(async ({ payload: { prefix, until }, qntx }) => {
      const ids: string[] = [];
      while (Date.now() < until) {
        const id = `${prefix}-${ids.length}`;
        await qntx.queue.enqueue("sower.work", { ms: 1 }, { id });
        ids.push(id);
      }
      return ids;
    }),
    count: noted(async ({ payload: { everyMs, until }, log }) => {
      for (let n = 1; Date.now() < until; n++) {
        log(String(n));
        await paused(everyMs);
      }
    }),
  },
});
