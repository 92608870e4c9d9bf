/** A plugin whose jobs do little, in crowds: some fail, some take long, and the last one counts. */
import { appendFileSync } from "node:fs";
import { definePlugin, PermanentError } from "qntx";

export default definePlugin({
  name: "crowd",
  version: "1.0.0",
  concurrency: 50,
  jobs: {
    async child(job) {
      const { fails = false, ms = 0 } = job.payload ?? {};
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      if (fails) throw new PermanentError("one of a thousand");
    },
    last(job) {
      appendFileSync(job.qntx.config["out"] ?? "", `${job.id}\n`);
    },
    /** Counts to ten, and loses its process on the way. */
    async steps(job) {
      const from = job.state ?? 0;
      for (let step = from; step < 10; step++) {
        if (step === 5 && from < 5) {
          await new Promise((resolve) => setTimeout(resolve, 50)); // What was said in this turn is sent after it.
          process.kill(process.pid, "SIGKILL");
        }
        job.checkpoint(step + 1);
      }
      return { from };
    },
    /** Runs until it is told to end, with children beside it. */
    async parent(job) {
      const children = Array.from({ length: job.payload.children }, (_, n) => ({
        handler: "crowd.child",
        payload: { ms: n < 10 ? 60_000 : 0 },
        parentId: job.id,
        costEstimate: 0.25,
        ...(n < 10 ? {} : { runAt: "2100-01-01T00:00:00Z" }),
      }));
      await job.qntx.queue.enqueueMany(children);
      job.log("children are there");
      await new Promise((_, reject) => job.signal.addEventListener("abort", () => reject(job.signal.reason)));
    },
  },
});
