/**
 * Proves that the time of an answer does not tell whether something exists: every
 * method that names a thing is asked again and again, by plugins that it does not
 * belong to, for one that another plugin has and for one that nobody has, in turn.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/answering.ts [--rounds 1000] [--apart 20]
 *
 * Medians that are more than `--apart` percent apart are one line each on stderr, and
 * make the exit code 1.
 */
import { parseArgs } from "node:util";
import {
  Access,
  type Asking,
  type Keyholder,
  type Method,
  methods,
  NOTHING,
  type Row,
  ROWS,
  type Things,
} from "../../internal/serve/e2e/access.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "1000" }, apart: { type: "string", default: "20" } },
});
const rounds = Number(values.rounds);
const ratioMax = 1 + Number(values.apart) / 100;
const WARM_UP = 50; // Calls of a method before the first that counts.

await using access = new Access();
await access.start();
const things = await access.things(access.keyholder("keys-acme"));
const others = [access.keyholder("bystander"), access.keyholder("keys-globex")];
const trouble: string[] = [];
let [worst, measured] = [1, 0];

for (const method of await methods()) {
  const row: Row | undefined = ROWS[method.name];
  if (!row || !("names" in row)) continue;
  for (const other of others) {
    if (row.tenant && other.name === "bystander") continue; // A tenant's own is seen by all its plugins.
    const { missing, theirs } = await medians(method, row.ask, other);
    const ratio = Math.max(missing / theirs, theirs / missing);
    [worst, measured] = [Math.max(worst, ratio), measured + 1];
    const line = `${method.name} by ${other.name}: another's ${shown(theirs)}, missing ${shown(missing)}`;
    if (ratio > ratioMax) trouble.push(line);
  }
}
for (const line of trouble) process.stderr.write(`${line}\n`);
if (measured === 0) trouble.push("nothing was measured");
process.stdout.write(
  `answering time: ${measured} pairs of ${rounds} calls each, medians at most ${((worst - 1) * 100).toFixed(1)} % apart\n`,
);
process.exitCode = trouble.length === 0 ? 0 : 1;

/** The medians of both, in milliseconds: asked in turn, so that whatever else happens meets both. */
async function medians(method: Method, ask: Asking, other: Keyholder) {
  const took: Record<"missing" | "theirs", number[]> = { missing: [], theirs: [] };
  for (let round = -WARM_UP; round < rounds; round++) {
    const turn = [
      ["missing", NOTHING],
      ["theirs", things],
    ] as const;
    for (const [which, what] of round % 2 === 0 ? turn : turn.toReversed()) {
      const ms = await timed(method, ask, other, what);
      if (round >= 0) took[which].push(ms);
    }
  }
  return { missing: median(took.missing), theirs: median(took.theirs) };
}

async function timed(method: Method, ask: Asking, other: Keyholder, what: Things): Promise<number> {
  const startedAt = performance.now();
  const { ok } = await access.ask(method, other, ask, what);
  if (ok) throw new Error(`${method.name} gave ${other.name} what is not its own.`);
  return performance.now() - startedAt;
}

function median(all: number[]): number {
  return all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
}

function shown(ms: number): string {
  return `${(ms * 1_000).toFixed(0)} µs`;
}
