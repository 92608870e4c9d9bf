/** BullMQ on Redis: how often Redis puts it on disk is said where Redis is started. */
import { Queue, Worker } from "bullmq";

const CONCURRENCY = 100;

export async function open({ place: { port } }) {
  const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
  const queue = new Queue("bench", { connection, defaultJobOptions: { removeOnComplete: true } });
  await queue.waitUntilReady();
  return {
    add: (data) => queue.add("job", data),
    addMany: (payloads) => queue.addBulk(payloads.map((data) => ({ name: "job", data }))),
    async work(handler) {
      const worker = new Worker("bench", async (job) => handler(job.data), {
        connection,
        concurrency: CONCURRENCY,
      });
      worker.on("error", (error) => process.stderr.write(`${error.message}\n`));
      await worker.waitUntilReady();
    },
  };
}
