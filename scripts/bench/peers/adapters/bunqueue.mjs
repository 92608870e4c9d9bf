/** bunqueue inside the process, on one SQLite file, with its write buffer. */
import { join } from "node:path";
import { Queue, Worker } from "bunqueue/client";

const CONCURRENCY = 100;
const BATCH = 100;

export async function open({ place: { folder } }) {
  const where = { embedded: true, dataPath: join(folder, "bunqueue.db") };
  const queue = new Queue("bench", where);
  const opts = { removeOnComplete: true };
  return {
    add: (data) => queue.add("job", data, opts),
    addMany: (payloads) => queue.addBulk(payloads.map((data) => ({ name: "job", data, opts }))),
    async work(handler) {
      const options = { ...where, concurrency: CONCURRENCY, batchSize: BATCH };
      const worker = new Worker("bench", async (job) => handler(job.data), options);
      worker.on("error", (error) => process.stderr.write(`${error.message}\n`));
    },
  };
}
