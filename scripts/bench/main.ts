/**
 * Benchmarks: what the shipped binary does, beside what this machine could do at best.
 *
 *   npm run bench                        all of it, in some minutes
 *   npm run bench -- drain start         some of it
 *   npm run bench -- --write             all of it, into docs/benchmarks.md
 *   npm run bench -- --binary dist/qntx  a binary that is there already
 *
 * Exits 1 when something misses what it must reach. Run it on a machine that does nothing else.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../build.ts";
import { BUN, ROOT } from "../steps.ts";
import { backlogBench } from "./backlog.ts";
import { cronBench } from "./cron.ts";
import { drainBench } from "./drain.ts";
import { enqueueBench } from "./enqueue.ts";
import { latencyBench } from "./latency.ts";
import { logsBench } from "./logs.ts";
import { machine } from "./machine.ts";
import { holds } from "./measure.ts";
import { page, type Section, table } from "./report.ts";
import { schedulesBench } from "./schedules.ts";
import { simulateBench } from "./simulate.ts";
import { startBench } from "./start.ts";

const PAGE = join(ROOT, "docs/benchmarks.md");

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean", default: false }, binary: { type: "string" } },
});
if (values.write && names.length > 0)
  fail("--write takes the whole run: the page is of one machine and one hour.");

const folder = mkdtempSync(join(tmpdir(), "qntx-bench-"));
try {
  const binary = values.binary ? resolve(values.binary) : await build({ outfile: join(folder, "qntx") });
  const benches = [
    startBench,
    latencyBench,
    enqueueBench,
    drainBench,
    backlogBench,
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

  const facts = machine(binary);
  say(facts.map(([name, value]) => `${name}: ${value}`).join("\n"));
  const sections: Section[] = [];
  for (const bench of benches.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const rows = await bench.run();
    say(`\n${bench.title}\n\n${table(rows)}`);
    sections.push({ bench, rows });
  }
  if (values.write) writePage(page(facts, sections));
  process.exitCode = sections.every(({ rows }) => rows.every(holds)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
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
