/**
 * One measurement of one peer, in a process of its own. It is copied beside the
 * peer's packages, so that these are found. Gives one line of JSON and is gone:
 * what the peer holds is not asked for again.
 *
 *   node measure.mjs ADAPTER drain|add|latency '{"place": {…}, "count": 100000}'
 */
import { writeSync } from "node:fs";

const SETTLE_MS = 200;
const BATCH_JOBS = 1_000;
const CUT_MS = 6_000; // A slow one is not waited for: its rate is that of what it did until then.
const ADD_MS = 1_000;
const EVERY_MS = 20; // 50 a second.
const LOOK_MS = 20;

const [adapter, measure, words] = process.argv.slice(2);
const { count, ...where } = JSON.parse(words);
const now = () => performance.timeOrigin + performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

process.stdin.on("end", () => process.exit(1)).resume(); // Whoever started this has gone.
const { open } = await import(`./${adapter}.mjs`);
const peer = await open(where);
await { drain, add, latency }[measure]();

/** Jobs a second of batches, then between the entry of the first handler and that of the last. */
async function drain() {
  const startedAt = now();
  for (let n = 0; n < count; n += BATCH_JOBS)
    await peer.addMany(Array.from({ length: Math.min(BATCH_JOBS, count - n) }, (_, i) => ({ n: n + i })));
  const batch = perSecond(count, startedAt);
  await sleep(SETTLE_MS);
  let [seen, first] = [0, 0];
  await peer.work(() => {
    if (seen++ === 0) first = now();
    if (seen === count || now() > first + CUT_MS) give({ batch, drain: perSecond(seen, first), ran: seen });
  });
}

/** Jobs a second, each waited for. */
async function add() {
  const startedAt = now();
  let n = 0;
  for (; now() < startedAt + ADD_MS; n++) await peer.add({ n });
  give({ add: perSecond(n, startedAt) });
}

/** Milliseconds from the call to the handler, of each of so many jobs. */
async function latency() {
  const latencies = [];
  await peer.work(({ at }) => void latencies.push(now() - at));
  await peer.add({ at: now() }); // The first is slow everywhere.
  while (latencies.length < 1) await sleep(LOOK_MS);
  await sleep(SETTLE_MS);
  latencies.length = 0;
  for (let n = 0, dueAt = now(); n < count; n++, dueAt += EVERY_MS) {
    await sleep(Math.max(0, dueAt - now()));
    void peer.add({ at: now() });
  }
  while (latencies.length < count) await sleep(LOOK_MS);
  give({ latencies });
}

function perSecond(jobs, since) {
  return jobs / ((now() - since) / 1_000);
}

function give(result) {
  writeSync(1, `${JSON.stringify(result)}\n`);
  process.exit(0);
}
