/**
 * Proves that jobs in line wait for the reason that is shown, that none starts on a
 * budget that is used up, and that all go on when nothing holds them up any more.
 *
 *   bun scripts/prove/waits.ts [--lines 500] [--seed 1]
 *
 * What is wrong is one line on stderr, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { standInLine } from "./waiting.ts";

const { values } = parseArgs({
  options: { lines: { type: "string", default: "500" }, seed: { type: "string", default: "1" } },
});
const first = Number(values.seed);
let wrong = 0;
for (let seed = first; seed < first + Number(values.lines); seed++) {
  const complaint = await standInLine(seed);
  if (complaint === null) continue;
  wrong++;
  process.stderr.write(`${complaint}\n`);
}
process.stdout.write(`waits: ${values.lines} lines of jobs, ${wrong} wrong\n`);
process.exitCode = wrong === 0 ? 0 : 1;
