/**
 * Proves that what is acknowledged is on disk: kills the host at a chosen write or
 * sync, at many points of one story, and looks at what is left.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/commit.ts [--points 60] [--seed N]
 *
 * Needs strace. What is wrong is one line each on stderr, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { commitKillsLine, killMidCommit } from "../../internal/serve/e2e/kill-commit.ts";

const { values } = parseArgs({
  options: { points: { type: "string", default: "60" }, seed: { type: "string", default: "1" } },
});
const report = await killMidCommit({ points: Number(values.points), seed: Number(values.seed) });
for (const sentence of report.broken) process.stderr.write(`${sentence}\n`);
if (report.met === 0) process.stderr.write("nothing was proved: no point was met\n");
process.stdout.write(`${commitKillsLine(report)}\n`);
process.exitCode = report.broken.length === 0 && report.met > 0 ? 0 : 1;
