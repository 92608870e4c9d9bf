/** Drain: how fast jobs that wait are claimed, run in a plugin's process, and settled. */
import { startEcho } from "./echo.ts";
import { BenchHome, type BenchPlugin } from "./host.ts";
import { type Bench, callsPerSecond, medianOf, type Row } from "./measure.ts";
import { RawQueue } from "./raw.ts";

const TIMES = 3;
const RAW_JOBS = 200_000;
const FLOOR_MS = 2_000;
const IN_FLIGHT = 256; // As many as a plugin with a stream is given.
const PRELOAD_JOBS_MAX = 10_000; // What one call takes.

interface Case {
  what: string;
  plugin: BenchPlugin;
  count: number;
  /** Calls at once, where each job is one. */
  calls?: number;
  target?: number;
}

/** Jobs for some seconds each. */
const CASES: readonly Case[] = [
  { what: "stream, TypeScript", plugin: "bench", count: 200_000, target: 50_000 },
  { what: "stream, Python", plugin: "bench-python", count: 30_000, target: 5_000 },
  { what: "one call a job, 256 at once", plugin: "able", count: 100_000, calls: IN_FLIGHT, target: 12_000 },
  { what: "one call a job, 4 at once", plugin: "stranger", count: 15_000, calls: 4 },
];

/** The benchmark of one binary. */
export function drainBench(binary: string): Bench {
  return {
    name: "drain",
    title: "Drain",
    how:
      "No-op jobs that wait are claimed, run in one plugin's process and settled: jobs per second between the first " +
      "start and the last end that the database has. The stream is that of our SDKs; one call a job is `ExecuteJob`, " +
      "answered by grpc-js under Bun: by a plugin that says that it takes 256 at once, and by one of QNTX, which cannot " +
      "say so and is given four, because many of them answer one after the other. Two floors: bare " +
      "`bun:sqlite` that completes 256 jobs and claims the next 256 in each durable commit, in one process; and a " +
      "stream between two Bun processes that gives back one message a job, 256 in flight; or calls of the barest client. The lower one counts.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  using raw = new RawQueue();
  const sqlite = await medianOf(TIMES, () => raw.drain(RAW_JOBS));
  await using echo = await startEcho();
  const rows: Row[] = [];
  for (const { what, plugin, count, calls, target } of CASES) {
    const jobs = await preloaded(binary, { handler: `${plugin}.noop`, count });
    await using _home = jobs.home;
    const value = await medianOf(TIMES, () => drain(jobs, { plugin, count }));
    const rate = await callsPerSecond({ callers: calls ?? IN_FLIGHT, ms: FLOOR_MS }, () =>
      calls === undefined ? echo.message() : echo.call(),
    );
    const floorIs = calls === undefined ? "stream" : `${calls} callers`;
    const floor = rate < sqlite ? { floor: rate, floorIs } : { floor: sqlite, floorIs: "claim and complete" };
    rows.push({ what, value, unit: "jobs/s", ...floor, ...(target && { target }) });
  }
  return rows;
}

/** A folder with jobs that wait, and the id of the last one. Its host has ended. */
export interface Preloaded {
  home: BenchHome;
  last: string;
}

/** Enqueues `count` jobs on a host without plugins. */
export async function preloaded(
  binary: string,
  { handler, count }: { handler: string; count: number },
): Promise<Preloaded> {
  const home = new BenchHome(binary);
  home.configure({});
  const host = await home.start();
  let last = "";
  for (let left = count; left > 0; left -= PRELOAD_JOBS_MAX) {
    const length = Math.min(left, PRELOAD_JOBS_MAX);
    const jobs = Array.from({ length }, (_, n) => ({ handler, payload: { n } }));
    const answer = await host.call<{ jobs: { id: string }[] }>("job.enqueueMany", { jobs });
    last = answer.jobs.at(-1)?.id ?? "";
  }
  await host.stop();
  return { home, last };
}

/** Drains a copy of the folder. Gives jobs per second between the first start and the last end. */
export async function drain(
  { home, last }: Preloaded,
  { plugin, count }: { plugin: BenchPlugin; count: number },
): Promise<number> {
  await using copy = home.copy();
  copy.configure({ plugins: [plugin] });
  const host = await copy.start();
  await host.result(last);
  await host.stop();
  using db = copy.database();
  const row = db.query<{ done: number; ms: number }, []>(DRAINED).get();
  if (row?.done !== count) throw new Error(`${row?.done} of ${count} jobs were completed.`);
  return count / (row.ms / 1_000);
}

const DRAINED = `
  SELECT COUNT(*) AS done, MAX(finished_at) - MIN(started_at) AS ms
    FROM job
   WHERE state = 'completed'`;
