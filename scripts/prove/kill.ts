/**
 * Proves that a host may die at any moment: kills it under load, again and again,
 * and compares what clients were told, what plugins wrote down, and the database.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/kill.ts [--kills 50] [--seed N]
 *
 * What is wrong is one line each on stderr, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { killLoop, killLoopLine, killLoopTrouble } from "../../internal/serve/e2e/kill-loop.ts";

const READY_MS = 1_000; // Promised for a start after a crash, on a machine that does little else.

const { values } = parseArgs({
  options: { kills: { type: "string", default: "50" }, seed: { type: "string", default: "1" } },
});
const report = await killLoop({ kills: Number(values.kills), seed: Number(values.seed) });
const trouble = killLoopTrouble(report);
const [median = 0] = report.readyMs.toSorted((a, b) => a - b).slice(Math.floor(report.readyMs.length / 2));
if (median > READY_MS) trouble.push(`slow: it was ready after ${Math.round(median)} ms`);
if (report.cut === 0) trouble.push("nothing was proved: no kill met a running job");
for (const sentence of trouble) process.stderr.write(`${sentence}\n`);
process.stdout.write(`${killLoopLine(report)}\n`);
process.exitCode = trouble.length === 0 ? 0 : 1;
