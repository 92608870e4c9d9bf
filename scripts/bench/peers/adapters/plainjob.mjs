/** plainjob on bun:sqlite. It sets WAL and synchronous=NORMAL itself. */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { bun, defineQueue, defineWorker } from "plainjob";

const POLL_MS = 10; // 1,000 where nothing is said.
const TURN = 256; // It never lets a timer have its turn while it is busy.
const logger = { error: (text) => process.stderr.write(`${text}\n`), warn() {}, info() {}, debug() {} };

export async function open({ place: { folder } }) {
  const connection = bun(new Database(join(folder, "plainjob.db"), { strict: true }));
  const queue = defineQueue({ connection, logger });
  let ran = 0;
  return {
    add: (payload) => queue.add("job", payload),
    addMany: (payloads) => queue.addMany("job", payloads),
    async work(handler) {
      const once = async (job) => {
        handler(JSON.parse(job.data));
        if (++ran % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      };
      void defineWorker("job", once, { queue, logger, pollIntervall: POLL_MS }).start();
    },
  };
}
