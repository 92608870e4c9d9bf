/** Writes a line when a job begins and one when it ends; one process writes them in the order in which that happens. */
import { appendFileSync } from "node:fs";
import { definePlugin } from "qntx";

interface Payload {
  key: number;
  /** The first try fails. */
  fails: boolean;
  log: string;
}

export default definePlugin({
  name: "keyed",
  version: "1.0.0",
  concurrency: 500,
  jobs: {
    work: {
      concurrencyPerKey: 2,
      async run(job) {
        const { key, fails, log } = job.payload as unknown as Payload;
        appendFileSync(log, `${process.pid} begin ${key}\n`);
        await Bun.sleep(1);
        appendFileSync(log, `${process.pid} end ${key}\n`);
        if (job.attempt === 1 && fails) throw new Error("it fails once");
      },
    },
  },
});
