/** pg-boss: large batches, and told by the database when there is something. */
import { PgBoss } from "pg-boss";

const BATCH = 2_000;
const CONCURRENCY = 2;
const POLL_SECONDS = 0.5; // The least that it takes.

export async function open({ place: { url } }) {
  const boss = new PgBoss({ connectionString: url, max: 20, notify: true, useListenNotify: true });
  boss.on("error", (error) => process.stderr.write(`${error.message}\n`));
  await boss.start();
  await boss.createQueue("bench", { notify: true });
  const options = {
    batchSize: BATCH,
    localConcurrency: CONCURRENCY,
    pollingIntervalSeconds: POLL_SECONDS,
    burstWhenBatchFull: true,
  };
  return {
    add: (data) => boss.send("bench", data),
    addMany: (payloads) =>
      boss.insert(
        "bench",
        payloads.map((data) => ({ data })),
      ),
    work: (handler) =>
      boss.work("bench", options, async (jobs) => {
        for (const job of jobs) handler(job.data);
      }),
  };
}
