/**
 * Proves what becomes of jobs when things crash: plugins that die, hang, lie and talk
 * too much, a host that sleeps through its leases, and a host that is killed under
 * load again and again. Prints a table: what was done, what was measured, what it may
 * be at most, and how many promises were broken.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/crashes.ts                 all of it, in some minutes
 *   QNTX_BIN=dist/qntx bun scripts/prove/crashes.ts plugins         a part of it
 *   QNTX_BIN=dist/qntx bun scripts/prove/crashes.ts --write host    and into docs/crashes.md
 *   QNTX_BIN=dist/qntx bun scripts/prove/crashes.ts host --kills 20 --seed 7
 *
 * What is wrong is one line each on stderr, and makes the exit code 1. Times are
 * promised for a machine that does little else.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CAST, crashRows } from "../../internal/serve/e2e/crash-faults.ts";
import { type CrashRow, CrashScene } from "../../internal/serve/e2e/crash-scene.ts";
import { QNTX } from "../../internal/serve/e2e/host.ts";
import { killLoop, killLoopLine, killLoopTrouble } from "../../internal/serve/e2e/kill-loop.ts";
import { type LeaseStory, longJob, replacedHost, sleptHost } from "../../internal/serve/e2e/leases.ts";
import { commitOf, load, machine } from "../bench/machine.ts";
import { number } from "../bench/report.ts";
import { BUN, ROOT } from "../steps.ts";

const PAGE = join(ROOT, "docs/crashes.md");
const COMPUTE_MS = 60_000;
const LEASES_MS = 31_000; // More than three leases of a host, of ten seconds each.
const READY_MS = 1_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    write: { type: "boolean", default: false },
  },
});

interface Part {
  title: string;
  how: string;
  run(): Promise<CrashRow[]>;
}

const PARTS: Record<string, Part> = {
  plugins: {
    title: "A plugin goes wrong",
    how: `One host, ${Object.keys(CAST).length} plugins that go wrong and one that does its work at fifty jobs a second. Each fault is done over unary calls and over the job stream; the worse figure is shown.`,
    run: plugins,
  },
  leases: {
    title: "A host sleeps",
    how: "A host holds the jobs that run in it for as long as it has the lock of its data folder, however long it says nothing. A lease, of ten seconds, is what it writes down every three to say that it is there.",
    run: leases,
  },
  host: {
    title: "The host is killed",
    how: "A host with twenty schedules of a second, plugins in two languages and five hundred jobs added a second is killed (`kill -9`) at random moments: it, its keeper, or both at once. Afterwards what clients were told, what plugins wrote down and the database are compared.",
    run: host,
  },
};

const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
const written: string[] = [];
for (const name of names) {
  const part = PARTS[name];
  if (!part) throw new Error(`There is no part ${name}; there are ${Object.keys(PARTS).join(", ")}.`);
  const before = load();
  const rows = await part.run();
  for (const sentence of rows.flatMap(troubleOf)) process.stderr.write(`${sentence}\n`);
  if (rows.flatMap(troubleOf).length > 0) process.exitCode = 1;
  process.stdout.write(`${part.title}\n\n${table(rows)}\n\n`);
  written.push(section(part, rows, before));
}
if (values.write) write(written);

async function plugins(): Promise<CrashRow[]> {
  await using scene = new CrashScene(CAST);
  const rows: CrashRow[] = [];
  for await (const row of crashRows(scene, { computeMs: COMPUTE_MS })) rows.push(row);
  return [...rows, await scene.end()];
}

async function leases(): Promise<CrashRow[]> {
  const [long, slept, replaced] = await Promise.all([
    longJob(LEASES_MS),
    sleptHost(LEASES_MS),
    replacedHost(),
  ]);
  const seconds = LEASES_MS / 1_000;
  const late = replaced.job.history.filter(({ kind }) => kind === "late").length;
  const isLogged = replaced.said.includes("a late result was refused");
  if (late !== 1 || !isLogged)
    replaced.broken.push(`the late answer is on the job ${late} times, in the log ${isLogged}`);
  return [
    timesRun(`a job runs for ${seconds} s, more than three leases`, long),
    timesRun(`a host is stopped (SIGSTOP) for ${seconds} s, its job ends meanwhile, and it goes on`, slept),
    {
      fault:
        "the lock of a stopped host is removed, another one started, and the first goes on with an answer",
      measured: "late answers that were not refused, logged and shown with the job",
      figure: 1 - late,
      unit: "",
      limit: 0,
      broken: replaced.broken,
    },
  ];
}

function timesRun(fault: string, { job, starts, broken }: LeaseStory): CrashRow {
  const isWhole = job.state === "completed" && job.attempt === 1 && job.interrupted === 0;
  const wrong = isWhole ? [] : [`the job is ${job.state} in attempt ${job.attempt}`];
  const about = { fault, measured: "times that the job ran", figure: starts, unit: "", limit: 1 };
  return { ...about, broken: [...broken, ...wrong] };
}

async function host(): Promise<CrashRow[]> {
  const report = await killLoop({ kills: Number(values.kills), seed: Number(values.seed) });
  process.stdout.write(`${killLoopLine(report)}\n`);
  const broken = killLoopTrouble(report);
  if (report.cut === 0) broken.push("nothing was proved: no kill met a running job");
  const sorted = report.readyMs.toSorted((a, b) => a - b);
  const { kills, acknowledged, occurrences, lost, twice, missing, orphans, cut } = report;
  const count = (measured: string, figure: number) => ({ measured, figure, unit: "", limit: 0, broken: [] });
  return [
    {
      fault: `${kills} kills, ${number(cut)} tries cut short`,
      measured: "ready again after, the median",
      figure: sorted[Math.floor(sorted.length / 2)] ?? 0,
      unit: "ms",
      limit: READY_MS,
      broken,
    },
    { fault: `${acknowledged.toLocaleString("en-US")} jobs acknowledged`, ...count("lost", lost.length) },
    { fault: `${number(occurrences)} occurrences`, ...count("missing", missing.length) },
    { fault: "jobs and occurrences", ...count("twice", twice.length) },
    { fault: "processes of hosts that were killed", ...count("left two seconds later", orphans.length) },
  ];
}

function troubleOf(row: CrashRow): string[] {
  const broken = row.broken.map((sentence) => `${row.fault}: ${sentence}`);
  return row.figure <= row.limit
    ? broken
    : [...broken, `${row.fault}: ${row.measured} ${shown(row.figure, row)}`];
}

function table(rows: readonly CrashRow[]): string {
  const head = ["what happens", "what was measured", "figure", "at most", "promises broken"];
  const lines = rows.map((row) => [
    row.fault,
    row.measured,
    shown(row.figure, row),
    shown(row.limit, row),
    String(row.broken.length),
  ]);
  return [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function shown(value: number, { unit }: CrashRow): string {
  return unit === "" ? String(value) : `${number(value)} ${unit}`;
}

function section({ title, how }: Part, rows: readonly CrashRow[], before: number): string {
  const facts = new Map(machine());
  const on = `${facts.get("Processors")}, ${facts.get("Memory")}`;
  const [date] = new Date().toISOString().split("T");
  const taken = `Taken on ${date} from commit ${commitOf(QNTX[0] ?? "")}, on ${on}; the load before was ${number(before)}.`;
  return `## ${title}\n\n${wrapped(how)}\n\n${wrapped(taken)}\n\n${table(rows)}\n`;
}

/** Puts sections in the place of those of the same title. */
function write(sections: readonly string[]): void {
  const titleOf = (text: string) => /^## (.*)/.exec(text)?.[1] ?? "";
  const old = readFileSync(PAGE, "utf8").split(/^(?=## )/m);
  const present = new Map([...old.slice(1), ...sections].map((text) => [titleOf(text), text.trimEnd()]));
  const parts = Object.values(PARTS).flatMap(({ title }) => present.get(title) ?? []);
  writeFileSync(PAGE, `${[(old[0] ?? "").trimEnd(), ...parts].join("\n\n")}\n`);
  Bun.spawnSync([BUN, "fmt", PAGE], { cwd: ROOT });
}

function wrapped(text: string): string {
  return text.replace(/(.{1,119})(?: |$)/g, "$1\n").trimEnd();
}
