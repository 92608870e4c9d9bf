/**
 * Proves that the time of an answer does not tell whether something exists: every
 * method that names a thing is asked again and again, by plugins that it does not
 * belong to, for one that another plugin has and for one that nobody has, in turn.
 *
 * A machine has phases, and where half of the answers are slow a median lies between two
 * heaps and moves by itself. So medians are taken of blocks of turns, which meet the same
 * phase, and what counts is the median of how far apart these are.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/answering.ts [--rounds 2000] [--apart 20] [--all]
 *
 * Medians that are more than `--apart` percent apart are one line each on stderr, and
 * make the exit code 1. `--all` prints those of each pair.
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
  options: {
    rounds: { type: "string", default: "2000" },
    apart: { type: "string", default: "20" },
    all: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const ratioMax = 1 + Number(values.apart) / 100;
const BLOCK = 50; // Turns: some 20 ms of the machine's time.

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
    const blocks = await medians(method, row.ask, other);
    const longer = median(blocks.map(({ theirs, missing }) => theirs / missing));
    const ratio = Math.max(longer, 1 / longer);
    [worst, measured] = [Math.max(worst, ratio), measured + 1];
    const theirs = shown(median(blocks.map((block) => block.theirs)));
    const missing = shown(median(blocks.map((block) => block.missing)));
    const apart = `${((longer - 1) * 100).toFixed(1)} % more`;
    const line = `${method.name} by ${other.name}: another's ${theirs}, missing ${missing}, ${apart}`;
    if (values.all) process.stdout.write(`${line}\n`);
    if (ratio > ratioMax) trouble.push(line);
  }
}
for (const line of trouble) process.stderr.write(`${line}\n`);
if (measured === 0) trouble.push("nothing was measured");
process.stdout.write(
  `answering time: ${measured} pairs of ${rounds} calls each, medians at most ${((worst - 1) * 100).toFixed(1)} % apart\n`,
);
process.exitCode = trouble.length === 0 ? 0 : 1;

/** The medians of both in each block, in milliseconds: asked in turn, so that whatever else happens meets both. */
async function medians(method: Method, ask: Asking, other: Keyholder) {
  const blocks: { missing: number; theirs: number }[] = [];
  for (let first = -BLOCK; first < rounds; first += BLOCK) {
    const took: Record<"missing" | "theirs", number[]> = { missing: [], theirs: [] };
    for (let round = 0; round < BLOCK; round++) {
      const turn = [
        ["missing", NOTHING],
        ["theirs", things],
      ] as const;
      for (const [which, what] of round % 2 === 0 ? turn : turn.toReversed())
        took[which].push(await timed(method, ask, other, what));
    }
    if (first >= 0) blocks.push({ missing: median(took.missing), theirs: median(took.theirs) }); // One warms up.
  }
  return blocks;
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
