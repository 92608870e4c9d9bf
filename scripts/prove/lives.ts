/**
 * Proves that schedules account for every occurrence, whatever is done to them: lives
 * of one schedule around changes of clocks, one after the other, from seeds.
 *
 *   bun scripts/prove/lives.ts [--lives 3000] [--seed 1]
 *
 * What is wrong is one line each on stderr, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { live } from "./life.ts";

const { values } = parseArgs({
  options: { lives: { type: "string", default: "3000" }, seed: { type: "string", default: "1" } },
});
const zones = Intl.supportedValuesOf("timeZone");
const [lives, seed] = [Number(values.lives), Number(values.seed)];
let wrong = 0;
for (let i = 0; i < lives; i++) {
  const verdict = await live(seed + i, zones);
  if (verdict === null) continue;
  wrong++;
  process.stderr.write(`${verdict}\n`);
}
process.stdout.write(`lives of schedules: ${lives}, ${wrong} of them wrong\n`);
process.exitCode = wrong === 0 ? 0 : 1;
