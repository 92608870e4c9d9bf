/** Cleaning: what the removal of a million old rows costs the schedules that are due meanwhile. */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { makeDue, stock } from "./backlog.ts";
import { BenchHome, type BenchHost } from "./host.ts";
import { type Bench, quantile, type Row } from "./measure.ts";

const MANY = 1_000_000;
const LINES_PER_JOB = 1_000;
const QUIET_MS = 30_000;
const CLEAN_LIMIT_MS = 300_000;
const LOOK_EVERY_MS = 1_000;
const ADDS_MAX_MS = 100;

/** What is too old in a folder before its host starts. */
export type Kind = "jobs" | "ledger rows" | "lines of jobs";
const KINDS: readonly Kind[] = ["jobs", "ledger rows", "lines of jobs"];

/** The benchmark of one binary. */
export function cleaningBench(binary: string): Bench {
  return {
    name: "cleaning",
    title: "Cleaning",
    how:
      "A folder with 1,000,000 rows that are older than they are kept: jobs that have completed, or rows of the " +
      "ledger, or what 1,000 jobs said. While its host removes all of them, 50 schedules are due each second; the " +
      "lateness is that of the worst of all starts, and the floor the worst in thirty seconds of a host that removes " +
      "nothing.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  const floor = quantile((await cleaned(binary, { kind: null, count: 0 })).late, 1);
  const rows: Row[] = [];
  for (const kind of KINDS) {
    const { late, seconds } = await cleaned(binary, { kind, count: MANY });
    rows.push({
      what: `worst lateness while 1,000,000 ${kind} are removed, in ${Math.round(seconds)} s`,
      value: quantile(late, 1),
      unit: "ms",
      floor,
      floorIs: "nothing to remove",
      target: floor + ADDS_MAX_MS,
    });
  }
  return rows;
}

/** The lateness of schedules that are due each second, until nothing old is left. */
export async function cleaned(
  binary: string,
  { kind, count }: { kind: Kind | null; count: number },
): Promise<{ late: number[]; seconds: number }> {
  await using home = new BenchHome(binary);
  if (kind === "ledger rows") await stockLedger(home, count);
  else await stock(home, { old: kind === "jobs" ? count : count / LINES_PER_JOB });
  if (kind === "lines of jobs") stockLines(home);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  await makeDue(host);
  const startedAt = performance.now();
  if (kind === null) await Bun.sleep(QUIET_MS);
  else await untilGone(home, kind);
  return { late: await lateness(host), seconds: (performance.now() - startedAt) / 1_000 };
}

async function lateness(host: BenchHost): Promise<number[]> {
  return (await host.run<{ lateness: number[] }>("bench.report")).lateness;
}

/** Old rows of one schedule that is paused: they fired, and their jobs are gone. */
async function stockLedger(home: BenchHome, count: number): Promise<void> {
  home.configure({});
  const host = await home.start();
  const { id } = await host.call<{ id: string }>("schedule.create", {
    name: "old",
    handler: "bench.due",
    every: "1s",
  });
  await host.call("schedule.pause", { id });
  await host.stop();
  using db = home.database({ readonly: false });
  db.query<unknown, [Record<string, string | number>]>(FILL_LEDGER).run({
    id,
    count,
    at: Date.now() - YEAR_MS,
  });
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/** A thousand lines of each job that is there. */
function stockLines(home: BenchHome): void {
  using db = new Database(join(home.path, "logs.db"), { strict: true });
  using jobs = home.database();
  const insert = db.prepare<unknown, [Record<string, string | number>]>(FILL_LINES);
  const ids = jobs.query<{ id: string }, []>("SELECT id FROM job").all();
  db.transaction(() => {
    for (const { id } of ids) insert.run({ id, count: LINES_PER_JOB });
  })();
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

async function untilGone(home: BenchHome, kind: Kind): Promise<void> {
  using db =
    kind === "lines of jobs" ? new Database(join(home.path, "logs.db"), { readonly: true }) : home.database();
  for (const until = performance.now() + CLEAN_LIMIT_MS; performance.now() < until;) {
    await Bun.sleep(LOOK_EVERY_MS); // In which each schedule is due.
    if (db.query<unknown, []>(ONE_LEFT[kind]).get() === null) return;
  }
  throw new Error(`After ${CLEAN_LIMIT_MS} ms there are still old ${kind}.`);
}

const YEAR_MS = 366 * 86_400_000;

const ONE_LEFT: Record<Kind, string> = {
  jobs: "SELECT 1 FROM job WHERE handler = 'bench.noop' LIMIT 1",
  "ledger rows": "SELECT 1 FROM occurrence WHERE job_id LIKE 'JB_gone%' LIMIT 1",
  "lines of jobs": "SELECT 1 FROM job_log LIMIT 1",
};

const FILL_LEDGER = `
  WITH RECURSIVE n(x) AS (
    SELECT 1
     UNION ALL
    SELECT x + 1 FROM n WHERE x < $count)
  INSERT INTO occurrence (schedule_id, occurrence, node, outcome, job_id, last_occurrence, count, decided_at, revision, note)
  SELECT $id, $at + 1000 * x, '', 'fired', 'JB_gone' || x, $at + 1000 * x, 1, $at + 1000 * x, 1, ''
    FROM n`;

const FILL_LINES = `
  WITH RECURSIVE n(x) AS (
    SELECT 1
     UNION ALL
    SELECT x + 1 FROM n WHERE x < $count)
  INSERT INTO job_log (job_id, seq, at, attempt, level, message, stage, fields)
  SELECT $id, x, 0, 1, 'info', 'line ' || x || ' of a job that said what jobs say', '', ''
    FROM n`;
