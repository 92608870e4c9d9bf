/**
 * Simulates the core under faults, seed by seed: see simulation.ts.
 *
 *   bun scripts/sim/main.ts [--seeds 200] [--from 1] [--mutants]
 *   bun scripts/sim/main.ts --seed 17 [--mutant "fences return"]      everything that happened in one seed
 *
 * One line on stdout says how it went; what was broken, and in which seed, is on
 * stderr. The exit code is 1 when a promise did not hold or a mutant survived.
 */
import { parseArgs } from "node:util";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { type Result, simulate } from "./simulation.ts";

const MUTANT_SEEDS_MAX = 100; // A mutant that lives longer than this is not hunted well enough.
const TRACE_LINES_SHOWN = 25;
const LINE_CHARS_MAX = 400; // The whole of a row is shown by a replay.

/** The first seed at which a mutant is caught; null when it survives all of them. */
export function hunt(mutant: Mutant, seedsMax = MUTANT_SEEDS_MAX): Result | null {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const result = simulate(seed, { mutant });
    if (result.violations.length > 0) return result;
  }
  return null;
}

if (import.meta.main) main();

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "200" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      mutants: { type: "boolean", default: false },
      mutant: { type: "string" },
    },
  });
  const mutant = MUTANTS.find(({ name }) => name === values.mutant) ?? null;
  if (values.mutant !== undefined && !mutant) throw new Error(`There is no mutant "${values.mutant}".`);
  if (values.seed !== undefined) return replay(Number(values.seed), mutant);
  const violated = runSeeds(Number(values.from), Number(values.seeds));
  const caught = values.mutants ? MUTANTS.filter(isCaught).length : null;
  const about = caught === null ? "" : `; mutants caught ${caught} of ${MUTANTS.length}`;
  process.stdout.write(`simulation: ${values.seeds} seeds, ${violated} violations${about}\n`);
  if (violated > 0 || (caught !== null && caught < MUTANTS.length)) process.exitCode = 1;
}

/** Runs seeds and says what each one broke. Returns how many broke something. */
function runSeeds(from: number, count: number): number {
  let violated = 0;
  for (let seed = from; seed < from + count; seed++) {
    const result = simulate(seed);
    if (result.violations.length === 0) continue;
    violated++;
    for (const line of result.trace.slice(-TRACE_LINES_SHOWN)) say(line);
    say(`seed ${seed}: ${firstOf(result)}`);
    say(`again, with everything that happened: bun scripts/sim/main.ts --seed ${seed}`);
  }
  return violated;
}

function isCaught(mutant: Mutant): boolean {
  const result = hunt(mutant);
  if (result) say(`mutant caught at seed ${result.seed}: ${mutant.name} (${firstOf(result)})`);
  else say(`mutant SURVIVED ${MUTANT_SEEDS_MAX} seeds: ${mutant.name}`);
  return result !== null;
}

/** Shows one seed from beginning to end. */
function replay(seed: number, mutant: Mutant | null): void {
  const result = simulate(seed, { mutant, onTrace: (line) => void process.stdout.write(`${line}\n`) });
  const { jobs, attempts, occurrences, hosts, ms, hash } = result;
  const about = `${jobs} jobs, ${attempts} attempts, ${occurrences} occurrences, ${hosts} hosts, ${Math.round(ms / 1_000)} s, hash ${hash}`;
  process.stdout.write(`seed ${seed}: ${result.violations.length} violations; ${about}\n`);
  if (result.violations.length > 0) process.exitCode = 1;
}

function firstOf({ violations }: Result): string {
  const [first] = violations;
  return first ? `${first.invariant} at ${(first.at / 1_000).toFixed(3)} s: ${first.message}` : "nothing";
}

function say(line: string): void {
  process.stderr.write(`${line.slice(0, LINE_CHARS_MAX)}\n`);
}
