/** Backlog: what a million jobs cost that wait or are kept. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { realEnv } from "../../internal/base/env.ts";
import { openDatabase } from "../../internal/store/sqlite/open.ts";
import { SqliteStore } from "../../internal/store/sqlite/store.ts";
import { BenchHome, type BenchHost } from "./host.ts";
import { probed } from "./many.ts";
import { type Bench, median, quantile, type Row } from "./measure.ts";

const FEW = 10_000;
const MANY = 1_000_000;
const DRAIN_MS = 6_000; // Of the many; the few are gone before.
const PAIRS = 15;
const CLAIMS = 200;
const CLAIM_JOBS = 256;
const SCHEDULES = 50;
const SETTLE_MS = 1_500;
const BULK_JOBS = MANY; // As many as one call takes.
const LOOK_EVERY_MS = 100;
const ONE_QUEUED = { state: "queued", limit: 1 };
/** Every way to narrow a list, and pages from both ends. */
const LISTS = [
  {},
  ...["queued", "running", "completed", "failed", "scheduled"].map((state) => ({ state })),
  { handler: "bench.noop" },
  { handler: "bench.noop", state: "completed" },
  { handler: "bench.none", state: "failed" },
  { scheduleId: "SC_none" },
  { parentId: "JB_none" },
  { limit: 1_000, cursor: "500000" },
  { state: "completed", cursor: "100" },
];
const DAYS_30_MS = 30 * 86_400_000;

const DRAIN_SHARE_MIN = 0.9;
const CLAIM_MAX_MS = 5;
const MEMORY_MAX_MIB = 200;
const LIST_MAX_MS = 100;
const LATE_MAX_MS = 250;
const ANSWER_MAX_MS = 50;

/** What is in the folder before its host starts. */
export interface Stock {
  queued?: number;
  /** Ended a moment ago: they stay. */
  kept?: number;
  /** Failed a moment ago. */
  failed?: number;
  /** Ended a month ago: retention removes them, from the first second on. */
  old?: number;
}

/** The benchmark of one binary. */
export function backlogBench(binary: string): Bench {
  return {
    name: "backlog",
    title: "Backlog",
    how:
      "A folder with 1,000,000 jobs that wait, beside one with 10,000; and one with 10,000 that wait and 1,000,000 that " +
      "have completed and are kept. Rates are jobs per second between the first start and the last end that the " +
      "database has, of the many after six seconds. Ten thousand are gone before a host is warm, and no two hosts warm " +
      "up alike: fifteen with a million kept and fifteen without have their turns, and the medians count. Memory is the most that was resident of the host's process. A " +
      "claim is that of 256 jobs by the store, in one process, with its commit. Then the same million runs once more, " +
      "with fifty schedules that are due each second, while lists are asked for by every filter and from every page, " +
      "and the status: of each the worst is shown. For how long the loop is held is what the host itself says of the " +
      "last minute; it is asked for with a sign of life every five milliseconds, too. Then they are " +
      "cancelled, or failed ones retried, in one call, while no plugin runs.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  const waiting = await drained(binary, { queued: MANY });
  const { few, keeping } = await drainedInTurn(binary);
  return [
    drainRow("drain, 1,000,000 waiting", waiting.rate, few.rate),
    drainRow("drain, 1,000,000 kept", keeping.rate, few.rate),
    allowedRow("memory, 1,000,000 waiting", waiting.memoryMiB, "MiB", MEMORY_MAX_MIB),
    allowedRow("memory, 1,000,000 kept", keeping.memoryMiB, "MiB", MEMORY_MAX_MIB),
    await claimRow(binary),
    ...(await askedRows(binary)),
    ...(await bulkRows(binary)),
  ];
}

function drainRow(what: string, value: number, floor: number): Row {
  return { what, value, unit: "jobs/s", floor, floorIs: "10,000 waiting", target: DRAIN_SHARE_MIN * floor };
}

/** Writes jobs into the database of a folder, as if they had been enqueued and run. */
export async function stock(
  home: BenchHome,
  { queued = 0, kept = 0, failed = 0, old = 0 }: Stock,
): Promise<void> {
  home.configure({});
  await (await home.start()).stop(); // For the schema.
  using db = home.database({ readonly: false });
  const fill = db.prepare<unknown, [Record<string, string | number>]>(FILL);
  const insert = (count: number, state: "queued" | "completed" | "failed", agoMs: number) =>
    fill.run({ count, state, at: Date.now() - agoMs, ended: state === "queued" ? 0 : 1 });
  insert(old, "completed", DAYS_30_MS);
  insert(kept, "completed", 0);
  insert(failed, "failed", 0);
  insert(queued, "queued", 0);
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

interface Drained {
  rate: number;
  memoryMiB: number;
}

/** Lets a host run what waits, for some seconds at most. */
export async function drained(binary: string, what: Stock): Promise<Drained> {
  await using home = new BenchHome(binary);
  return await drainedIn(home, what);
}

/** The same in a folder that has jobs already, which are left out. */
async function drainedIn(home: BenchHome, what: Stock): Promise<Drained> {
  const host = await stocked(home, what);
  const waiting = async () => (await host.call<{ jobs: unknown[] }>("job.list", ONE_QUEUED)).jobs.length;
  for (const until = performance.now() + DRAIN_MS; performance.now() < until && (await waiting()) > 0;)
    await Bun.sleep(LOOK_EVERY_MS);
  const memoryMiB = peakMiB(host.pid);
  await host.stop();
  using db = home.database();
  const row = db
    .query<{ done: number; ms: number }, [{ queued: number }]>(DRAINED)
    .get({ queued: what.queued ?? 0 });
  if (!row || row.done === 0) throw new Error("No job was completed.");
  return { rate: row.done / (row.ms / 1_000), memoryMiB };
}

/** Some of few that wait, beside a million that are kept and without, in turn. */
async function drainedInTurn(binary: string): Promise<{ few: Drained; keeping: Drained }> {
  await using folder = new BenchHome(binary);
  await stock(folder, { kept: MANY });
  const few: Drained[] = [];
  const keeping: Drained[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    few.push(await drained(binary, { queued: FEW }));
    keeping.push(await drainedIn(folder, { queued: FEW }));
  }
  return { few: middleOf(few), keeping: middleOf(keeping) };
}

function middleOf(all: readonly Drained[]): Drained {
  return {
    rate: median(all.map(({ rate }) => rate)),
    memoryMiB: Math.max(...all.map(({ memoryMiB }) => memoryMiB)),
  };
}

/** Starts a host with a plugin on such a stock; its jobs run. */
async function stocked(home: BenchHome, what: Stock): Promise<BenchHost> {
  await stock(home, what);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  return host;
}

interface Asked {
  /** Milliseconds of each list, of each status, and of each sign of life. */
  lists: number[];
  statuses: number[];
  waits: number[];
  /** Of schedules that were due meanwhile. */
  late: number[];
  /** For how long nobody was answered, as the host says. */
  loopMs: number;
}

/** Asks for lists and the status for some seconds, while jobs run and schedules are due. */
export async function asked(binary: string, what: Stock, ms = DRAIN_MS): Promise<Asked> {
  await using home = new BenchHome(binary);
  const host = await stocked(home, what);
  await makeDue(host);
  const [lists, statuses]: [number[], number[]] = [[], []];
  const look = async () => {
    for (const until = performance.now() + ms; performance.now() < until; await Bun.sleep(LOOK_EVERY_MS)) {
      for (const input of LISTS) lists.push(await timed(() => host.call("job.list", input)));
      statuses.push(await timed(() => host.call("host.status", {})));
    }
  };
  const { waits } = await probed(host, look);
  const { lateness: late } = await host.run<{ lateness: number[] }>("bench.report");
  const { loop } = await host.call<{ loop: { p99Ms: number } }>("host.status", {});
  return { lists, statuses, waits, late, loopMs: loop.p99Ms };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function askedRows(binary: string): Promise<Row[]> {
  const { lists, statuses, waits, late, loopMs } = await asked(binary, { queued: MANY });
  return [
    allowedRow("job list while they run, worst", quantile(lists, 1), "ms", LIST_MAX_MS),
    allowedRow("status while they run, worst", quantile(statuses, 1), "ms"),
    allowedRow("loop held while they run, p99", loopMs, "ms", ANSWER_MAX_MS),
    allowedRow("sign of life while they run, p99", quantile(waits, 0.99), "ms", ANSWER_MAX_MS),
    allowedRow("lateness of schedules while they run, p99", quantile(late, 0.99), "ms", LATE_MAX_MS),
  ];
}

/** A row whose floor is what is allowed. */
function allowedRow(what: string, value: number, unit: Row["unit"], allowed?: number): Row {
  if (allowed === undefined) return { what, value, unit, floor: value, floorIs: "itself" };
  return { what, value, unit, floor: allowed, floorIs: "allowed", target: allowed };
}

interface Bulk {
  /** Jobs per second. */
  rate: number;
  waits: number[];
  memoryMiB: number;
}

/** Does it to many jobs, of which nobody runs any. */
export async function bulk(binary: string, what: Stock, operation: string, input: object): Promise<Bulk> {
  await using home = new BenchHome(binary);
  await stock(home, what);
  const host = await home.start();
  const startedAt = performance.now();
  const { value, waits } = await probed(host, () => host.call<{ matched: number }>(operation, input));
  const seconds = (performance.now() - startedAt) / 1_000;
  return { rate: value.matched / seconds, waits, memoryMiB: peakMiB(host.pid) };
}

async function bulkRows(binary: string): Promise<Row[]> {
  const input = { handler: "bench.noop", limit: BULK_JOBS };
  const rows: Row[] = [];
  for (const [what, stocked, operation, more] of [
    ["cancelled", { queued: MANY }, "job.cancelMany", {}],
    ["retried", { failed: MANY }, "job.redrive", {}],
    ["looked through", { failed: MANY }, "job.redrive", { plan: true }],
  ] as const) {
    const { rate, waits, memoryMiB } = await bulk(binary, stocked, operation, { ...input, ...more });
    rows.push(
      { what: `of 1,000,000, ${what}`, value: rate, unit: "jobs/s", floor: rate, floorIs: "itself" },
      allowedRow(`sign of life while they are ${what}, p99`, quantile(waits, 0.99), "ms", ANSWER_MAX_MS),
      allowedRow(`memory while they are ${what}`, memoryMiB, "MiB", MEMORY_MAX_MIB),
    );
  }
  return rows;
}

async function claimRow(binary: string): Promise<Row> {
  const [few, many] = [await claims(binary, FEW * 10), await claims(binary, MANY)];
  return {
    what: `claim of ${CLAIM_JOBS} of 1,000,000, p99`,
    value: quantile(many, 0.99),
    unit: "ms",
    floor: quantile(few, 0.99),
    floorIs: "of 100,000",
    target: CLAIM_MAX_MS,
  };
}

/** Milliseconds of each of some claims in a folder where so many wait. */
async function claims(binary: string, queued: number): Promise<number[]> {
  await using home = new BenchHome(binary);
  await stock(home, { queued });
  const db = openDatabase(join(home.path, "qntx.db"));
  const store = new SqliteStore(realEnv, { db, logPath: join(home.path, "logs.db"), tzdata: "bench" });
  const times: number[] = [];
  for (let n = 0; n < CLAIMS; n++) {
    const startedAt = performance.now();
    const jobs = await store.jobs.claim({
      bootId: "BT_bench",
      lanes: [{ lane: "bench.noop", limit: CLAIM_JOBS }],
    });
    times.push(performance.now() - startedAt);
    if (jobs.length !== CLAIM_JOBS) throw new Error(`A claim gave ${jobs.length} jobs.`);
  }
  await store.close();
  return times;
}

/** Makes schedules that are due each second, and waits until they are. */
export async function makeDue(host: BenchHost): Promise<void> {
  for (let n = 0; n < SCHEDULES; n++)
    await host.call("schedule.create", { name: `s${n}`, handler: "bench.due", every: "1s" });
  await Bun.sleep(SETTLE_MS);
  await host.run("bench.report");
}

/** The most that was ever resident of a process. */
function peakMiB(pid: number): number {
  const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1_024;
}

const FILL = `
  WITH RECURSIVE n(x) AS (
    SELECT 1 WHERE $count > 0
     UNION ALL
    SELECT x + 1 FROM n WHERE x < $count)
  INSERT INTO job (id, tenant, handler, plugin, lane, trigger, source, owner, priority, state, run_at, attempt,
                   max_attempts, fence, created_at, started_at, finished_at, payload)
  SELECT 'JB_' || printf('%026d', start + x), '', 'bench.noop', '', 'bench.noop', 'enqueue', '', 'operator', 0, $state,
         $at, $ended, 3, $ended, $at, CASE $ended WHEN 1 THEN $at END, CASE $ended WHEN 1 THEN $at END,
         CAST('{"n":' || x || '}' AS BLOB)
    FROM n, (SELECT COALESCE(MAX(seq), 0) AS start FROM job)`;

const DRAINED = `
  SELECT COUNT(*) AS done, MAX(finished_at) - MIN(started_at) AS ms
    FROM job
   WHERE state = 'completed'
     AND handler = 'bench.noop'
     AND plugin_version IS NOT NULL
     AND seq > (SELECT MAX(seq) - $queued FROM job)`;
