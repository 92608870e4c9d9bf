/** Backlog: what a million jobs cost that wait, that are kept, or that are cleaned away. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { realEnv } from "../../internal/base/env.ts";
import { openDatabase } from "../../internal/store/sqlite/open.ts";
import { SqliteStore } from "../../internal/store/sqlite/store.ts";
import { BenchHome, type BenchHost } from "./host.ts";
import { callTimes, probed } from "./many.ts";
import { type Bench, median, quantile, type Row } from "./measure.ts";

const FEW = 10_000;
const MANY = 1_000_000;
const DRAIN_MS = 6_000; // Of the many; the few are gone before.
const TIMES = 3;
const CLAIMS = 200;
const CLAIM_JOBS = 256;
const CLEAN_MS = 10_000;
const SCHEDULES = 50;
const SETTLE_MS = 1_500;
const DAYS_30_MS = 30 * 86_400_000;

const DRAIN_SHARE_MIN = 0.9;
const CLAIM_MAX_MS = 5;
const MEMORY_MAX_MIB = 200;
const LIST_MAX_MS = 100;
const ANSWER_MAX_MS = 50;
const CLEANING_ADDS_MAX_MS = 100;

/** What is in the folder before its host starts. */
export interface Stock {
  queued?: number;
  /** Ended a moment ago: they stay. */
  kept?: number;
  /** Ended a month ago: retention removes them, from the first second on. */
  old?: number;
}

/** The benchmark of one binary. */
export function backlogBench(binary: string): Bench {
  return {
    name: "backlog",
    title: "Backlog",
    how:
      "A folder with 1,000,000 jobs that wait, beside one with 10,000; one with 10,000 that wait and 1,000,000 that " +
      "have completed and are kept; and one in which 1,000,000 are old and are removed while schedules are due. Rates " +
      "are jobs per second between the first start and the last end that the database has, of the many after six " +
      "seconds. Memory is the most that was resident of the host's process. A claim is that of 256 jobs by the store, " +
      "in one process, with its commit. The list is asked for and the host's socket is probed while jobs run. Of the " +
      "cleaning, the floor is the lateness of the same schedules in a host that cleans nothing.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  const rates: number[] = [];
  for (let time = 0; time < TIMES; time++) rates.push((await drained(binary, { queued: FEW })).rate);
  const few = median(rates);
  const waiting = await drained(binary, { queued: MANY });
  const keeping = await drained(binary, { queued: FEW, kept: MANY });
  return [
    drainRow("drain, 1,000,000 waiting", waiting.rate, few),
    drainRow("drain, 1,000,000 kept", keeping.rate, few),
    await claimRow(binary),
    ...hostRows(waiting),
    await cleaningRow(binary),
  ];
}

function drainRow(what: string, value: number, floor: number): Row {
  return { what, value, unit: "jobs/s", floor, floorIs: "10,000 waiting", target: DRAIN_SHARE_MIN * floor };
}

/** Writes jobs into the database of a folder, as if they had been enqueued and run. */
export async function stock(home: BenchHome, { queued = 0, kept = 0, old = 0 }: Stock): Promise<void> {
  home.configure({});
  await (await home.start()).stop(); // For the schema.
  using db = home.database({ readonly: false });
  const fill = db.prepare<unknown, [Record<string, string | number>]>(FILL);
  const insert = (count: number, state: "queued" | "completed", agoMs: number) =>
    fill.run({ count, state, at: Date.now() - agoMs, ended: state === "completed" ? 1 : 0 });
  insert(old, "completed", DAYS_30_MS);
  insert(kept, "completed", 0);
  insert(queued, "queued", 0);
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

interface Drained {
  rate: number;
  memoryMiB: number;
  /** Times of `job.list`, and of signs of life, while jobs ran. */
  lists: number[];
  waits: number[];
}

/** Lets a host run what waits, for some seconds at most. */
export async function drained(binary: string, what: Stock): Promise<Drained> {
  await using home = new BenchHome(binary);
  await stock(home, what);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  const { value: lists, waits } = await probed(host, () => listed(host));
  const memoryMiB = peakMiB(host.pid);
  await host.stop();
  using db = home.database();
  const row = db.query<{ done: number; ms: number }, []>(DRAINED).get();
  if (!row || row.done === 0) throw new Error("No job was completed.");
  return { rate: row.done / (row.ms / 1_000), memoryMiB, lists, waits };
}

/** Asks for lists until nothing waits or time is over. */
async function listed(host: BenchHost): Promise<number[]> {
  const times: number[] = [];
  for (const until = performance.now() + DRAIN_MS; performance.now() < until; await Bun.sleep(100)) {
    times.push(...(await callTimes(host, "job.list")));
    const waiting = await host.call<{ jobs: unknown[] }>("job.list", { state: "queued", limit: 1 });
    if (waiting.jobs.length === 0) break;
  }
  return times;
}

function hostRows({ memoryMiB, lists, waits }: Drained): Row[] {
  return [
    {
      what: "memory, 1,000,000 waiting",
      value: memoryMiB,
      unit: "MiB",
      floor: MEMORY_MAX_MIB,
      floorIs: "allowed",
      target: MEMORY_MAX_MIB,
    },
    {
      what: "job list while they run, p99",
      value: quantile(lists, 0.99),
      unit: "ms",
      floor: LIST_MAX_MS,
      floorIs: "allowed",
      target: LIST_MAX_MS,
    },
    {
      what: "sign of life while they run, p99",
      value: quantile(waits, 0.99),
      unit: "ms",
      floor: ANSWER_MAX_MS,
      floorIs: "allowed",
      target: ANSWER_MAX_MS,
    },
  ];
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

async function cleaningRow(binary: string): Promise<Row> {
  const idle = await latenessWith(binary, {});
  const cleaning = await latenessWith(binary, { old: MANY });
  if (cleaning.removed === 0) throw new Error("Nothing was removed.");
  const floor = quantile(idle.late, 1);
  return {
    what: `worst lateness while ${Math.round(cleaning.removed / 1_000)},000 are removed`,
    value: quantile(cleaning.late, 1),
    unit: "ms",
    floor,
    floorIs: "nothing to remove",
    target: floor + CLEANING_ADDS_MAX_MS,
  };
}

/** The lateness of schedules that are due each second, and how many old jobs were removed meanwhile. */
export async function latenessWith(
  binary: string,
  what: Stock,
): Promise<{ late: number[]; removed: number }> {
  await using home = new BenchHome(binary);
  await stock(home, what);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  for (let n = 0; n < SCHEDULES; n++)
    await host.call("schedule.create", { name: `s${n}`, handler: "bench.due", every: "1s" });
  await Bun.sleep(SETTLE_MS);
  await host.run("bench.report");
  const before = await completed(host);
  await Bun.sleep(CLEAN_MS);
  const { lateness: late } = await host.run<{ lateness: number[] }>("bench.report");
  const removed = before - (await completed(host)) + late.length;
  await host.stop();
  return { late, removed: Math.max(0, removed) };
}

async function completed(host: BenchHost): Promise<number> {
  return (await host.call<{ jobs: Record<string, number> }>("host.status", {})).jobs["completed"] ?? 0;
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
     AND plugin_version IS NOT NULL`;
