/** liteque on better-sqlite3: WAL and synchronous=NORMAL. It has no batches. */
import { join } from "node:path";
import { buildDBClient, Runner, SqliteQueue } from "liteque";

const CONCURRENCY = 10;
const POLL_MS = 10; // 1,000 where nothing is said.
const TURN = 64;

export async function open({ place: { folder } }) {
  const db = buildDBClient(join(folder, "liteque.db"), { runMigrations: true });
  const queue = new SqliteQueue("bench", db, { defaultJobArgs: { numRetries: 0 }, keepFailedJobs: false });
  let ran = 0;
  return {
    add: (payload) => queue.enqueue(payload),
    async addMany(payloads) {
      for (const payload of payloads) await queue.enqueue(payload);
    },
    async work(handler) {
      const run = async (job) => {
        handler(job.data);
        if (++ran % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      };
      const onError = async (job) => void process.stderr.write(`${job.error}\n`);
      const options = { concurrency: CONCURRENCY, pollIntervalMs: POLL_MS, timeoutSecs: 60 };
      void new Runner(queue, { run, onError }, options).run();
    },
  };
}
