/** Figures: what `qntx bench` measures, one after the other. Of the time that it has, each takes its share. */
import { type Env, type Millis, sleep } from "../../../../internal/base/env.ts";
import { Fault } from "../../../../internal/base/fault.ts";
import type { Client } from "../../client.ts";
import { type BenchReport, DUE, ENTERED, NOBODY, NOOP, PACE, REPORT } from "./plugin.ts";

const CALLERS = 64;
const BATCH = 1_000;
const HIT_EVERY_MS: Millis = 20;
const SCHEDULES = 50;
const RUNS_PER_SECOND = 3_000; // Of the whole time; what a slow machine runs in a fifth of it.
const ADDING = 0.1; // Shares of the whole time; adding comes three times, and starting and ending take the rest.
const HITTING = 0.2;
const WATCHING = 0.2;
const FIRST_MS: Millis = 1_000; // Belongs to their making.
const LOOK_MS: Millis = 10;
const RUN_LIMIT_MS: Millis = 30_000; // Three times what the slowest disk took; then it is no figure but a fault.

export interface Figure {
  name: string;
  value: number;
  unit: "jobs/s" | "ms";
  /** What the number means, in a few words. */
  means: string;
}

/** A host, and how long all of it may take. */
export interface Measured {
  env: Env;
  client: Client;
  ms: Millis;
}

/** What is measured: a name for the talk, and how. */
export interface Step {
  say: string;
  measure(bench: Measured): Promise<Figure[]>;
}

export const STEPS: readonly Step[] = [
  { say: "adding jobs", measure: adding },
  { say: "running jobs", measure: running },
  { say: "waiting for single jobs", measure: latency },
  { say: "watching schedules", measure: lateness },
];

async function adding({ env, client, ms }: Measured): Promise<Figure[]> {
  const job = { handler: NOBODY, payload: { n: 1 } };
  const jobs = Array.from({ length: BATCH }, () => job);
  const one = () => client.call("job.enqueue", job);
  const many = () => client.call("job.enqueueMany", { jobs });
  const rate = (name: string, value: number, means: string): Figure => ({
    name,
    value,
    unit: "jobs/s",
    means,
  });
  return [
    rate(
      "add, one caller",
      await callsPerSecond(env, { callers: 1, ms: ms * ADDING }, one),
      "one after the other, each on disk before it is answered",
    ),
    rate(
      `add, ${CALLERS} callers`,
      await callsPerSecond(env, { callers: CALLERS, ms: ms * ADDING }, one),
      "those of one moment share a write to the disk",
    ),
    rate(
      `add, batches of ${BATCH}`,
      BATCH * (await callsPerSecond(env, { callers: 1, ms: ms * ADDING }, many)),
      "job.enqueueMany",
    ),
  ];
}

/** How many calls a second so many callers get through, each waiting for its answer. */
async function callsPerSecond(
  env: Env,
  { callers, ms }: { callers: number; ms: Millis },
  call: () => Promise<unknown>,
): Promise<number> {
  const startedAt = env.mono();
  let calls = 0;
  const caller = async () => {
    for (; env.mono() < startedAt + ms; calls++) await call();
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return calls / ((env.mono() - startedAt) / 1_000);
}

async function running({ env, client, ms }: Measured): Promise<Figure[]> {
  const count = BATCH * Math.ceil((RUNS_PER_SECOND * ms) / 1_000 / BATCH);
  await client.call("handler.pause", { name: NOOP });
  const jobs = Array.from({ length: BATCH }, (_, n) => ({ handler: NOOP, payload: { n } }));
  for (let made = 0; made < count; made += BATCH) await client.call("job.enqueueMany", { jobs });
  await client.call("handler.resume", { name: NOOP });
  for (const until = env.mono() + RUN_LIMIT_MS; (await entered(env, client)) < count;) {
    if (env.mono() > until) throw tooSlow("no-op jobs did not end");
    await sleep(env, LOOK_MS);
  }
  const { runs, ms: took } = await result<BenchReport>(env, client, REPORT);
  const value = runs / (took / 1_000);
  const means = "jobs that wait are claimed, run in another process, and written down as ended";
  return [{ name: "run, no-op jobs", value, unit: "jobs/s", means }];
}

function entered(env: Env, client: Client): Promise<number> {
  return result<number>(env, client, ENTERED);
}

async function latency({ env, client, ms: all }: Measured): Promise<Figure[]> {
  const count = Math.ceil((all * HITTING) / HIT_EVERY_MS);
  await result(env, client, PACE, { count, everyMs: HIT_EVERY_MS });
  const { latencies } = await result<BenchReport>(env, client, REPORT);
  const ms = (q: number, means: string): Figure => ({
    name: `add to start, p${q * 100}`,
    value: quantile(latencies, q),
    unit: "ms",
    means,
  });
  return [
    ms(0.5, `from adding a job until its handler is entered, ${1_000 / HIT_EVERY_MS} a second`),
    ms(0.99, "of a hundred, one takes longer"),
  ];
}

async function lateness({ env, client, ms: all }: Measured): Promise<Figure[]> {
  const made = Array.from({ length: SCHEDULES }, (_, n) =>
    client.call<{ id: string }>("schedule.create", { name: `bench-${n}`, handler: DUE, every: "1s" }),
  );
  await Promise.all(made);
  await sleep(env, FIRST_MS);
  await result(env, client, REPORT);
  await sleep(env, all * WATCHING);
  const { lateness: late } = await result<BenchReport>(env, client, REPORT);
  const ms = (q: number, name: string, means: string): Figure => ({
    name: `lateness, ${name}`,
    value: quantile(late, q),
    unit: "ms",
    means,
  });
  return [
    ms(
      0.5,
      "p50",
      `from when a schedule is due until its handler is entered; ${SCHEDULES} of them, every second`,
    ),
    ms(0.99, "p99", "of a hundred, one is later"),
    ms(1, "worst", `of ${late.length} starts`),
  ];
}

/** Runs one job to its end and gives its result. */
async function result<T>(env: Env, client: Client, handler: string, payload: object = {}): Promise<T> {
  const { id } = await client.call<{ id: string }>("job.enqueue", { handler, payload, priority: -1 });
  for (const until = env.mono() + RUN_LIMIT_MS; env.mono() < until; await sleep(env, LOOK_MS)) {
    const job = await client.call<{ state: string; result: T }>("job.show", { id });
    if (job.state === "completed") return job.result;
    if (job.state === "failed") throw new Fault("failed", `The job ${handler} of the benchmark failed.`);
  }
  throw tooSlow(`${handler} did not end`);
}

function tooSlow(what: string): Fault {
  return new Fault("timeout", `In ${RUN_LIMIT_MS / 1_000} s the benchmark was not done: ${what}.`, {
    hint: "Is the machine busy with something else, or the disk full?",
  });
}

/** The value that a share `q` of all does not exceed. */
function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  if (value === undefined) throw tooSlow("nothing started");
  return value;
}
