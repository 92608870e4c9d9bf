/**
 * Proves that hosts which share no store run each occurrence once: two of them, one
 * Redis server, and all three are killed again and again.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/locks.ts [--seconds 300] [--schedules 300] [--outages 3] [--seed N]
 *
 * Needs redis-server. What is wrong is one line each on stderr, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { lockLoop, lockLoopLine, lockLoopTrouble } from "../../internal/serve/e2e/lock-loop.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    schedules: { type: "string", default: "300" },
    outages: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
  },
});
const report = await lockLoop({
  seconds: Number(values.seconds),
  schedules: Number(values.schedules),
  outages: Number(values.outages),
  seed: Number(values.seed),
});
const trouble = lockLoopTrouble(report);
if (Math.min(...report.jobs) === 0 || report.kills === 0)
  trouble.push("nothing was proved: one host ran everything, or nobody was killed");
if (report.outages > 0 && report.told.length === 0)
  trouble.push("nobody noticed that the lock server was away");
for (const sentence of trouble) process.stderr.write(`${sentence}\n`);
process.stdout.write(`${lockLoopLine(report)}\n`);
process.exitCode = trouble.length === 0 ? 0 : 1;
