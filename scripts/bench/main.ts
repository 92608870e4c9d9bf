/**
 * Benchmarks: what the shipped binary does, beside what this machine could do at best.
 *
 *   npm run bench                        all that needs nothing else, in some minutes
 *   npm run bench -- drain start         some of it
 *   npm run bench -- peers peers-single  beside other job queues, from npm and Debian
 *   npm run bench -- --write drain       and into docs/benchmarks.md, whose other sections stay
 *   npm run bench -- --binary dist/qntx  a binary that is there already
 *
 * The peers are measured when they are asked for by name, because they are downloaded
 * (into the user's cache) and their servers are installed (where this is Debian and we
 * are root). Exits 1 when something misses what it must reach. Run it on a machine that does nothing else.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../build.ts";
import { BUN, ROOT } from "../steps.ts";
import { backlogBench } from "./backlog.ts";
import { cleaningBench } from "./cleaning.ts";
import { cronBench } from "./cron.ts";
import { drainBench } from "./drain.ts";
import { enqueueBench } from "./enqueue.ts";
import { latencyBench } from "./latency.ts";
import { logsBench } from "./logs.ts";
import { commitOf, load, machine } from "./machine.ts";
import { type Bench, holds } from "./measure.ts";
import { peersBench } from "./peers/drain.ts";
import { peersSingleBench } from "./peers/single.ts";
import { page, type Section, table } from "./report.ts";
import { schedulesBench } from "./schedules.ts";
import { endInOrder, Scratch } from "./scratch.ts";
import { simulateBench } from "./simulate.ts";
import { startBench } from "./start.ts";

const PAGE = join(ROOT, "docs/benchmarks.md");

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean", default: false }, binary: { type: "string" } },
});

endInOrder();
using scratch = new Scratch();
const binary = values.binary ? resolve(values.binary) : await build({ outfile: join(scratch.path, "qntx") });
const benches: Bench[] = [
  startBench,
  latencyBench,
  enqueueBench,
  drainBench,
  peersBench,
  peersSingleBench,
  backlogBench,
  cleaningBench,
  logsBench,
  cronBench,
  schedulesBench,
  simulateBench,
].map((make) => make(binary));
const unknown = names.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0)
  fail(
    `There is no benchmark ${unknown.join(", ")}; there are ${benches.map(({ name }) => name).join(", ")}.`,
  );

const facts = machine();
const commit = commitOf(binary);
say([...facts, ["Commit", commit]].map(([name, value]) => `${name}: ${value}`).join("\n"));
const sections: Section[] = [];
for (const bench of benches.filter(({ name, asked }) =>
  names.length === 0 ? !asked : names.includes(name),
)) {
  const section = await take(bench);
  say(`\n${bench.title}, in ${section.taken.seconds} s\n\n${table(section.rows, bench.beside)}`);
  sections.push(section);
}
if (values.write) writePage(page(facts, { benches, sections, old: readFileSync(PAGE, "utf8") }));
process.exitCode = sections.every(({ rows }) => rows.every(holds)) ? 0 : 1;

async function take(bench: Bench): Promise<Section> {
  const [date = ""] = new Date().toISOString().split("T");
  const before = load();
  const startedAt = performance.now();
  const rows = await bench.run();
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  return { bench, rows, taken: { date, commit, load: before, seconds } };
}

/** Writes the page in the form that the formatter gives it. */
function writePage(text: string): void {
  writeFileSync(PAGE, text);
  Bun.spawnSync([BUN, "fmt", PAGE], { cwd: ROOT });
  say(`\nWrote ${PAGE}.`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(2);
}
