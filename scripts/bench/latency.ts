/** Latency: how long after an enqueue a job is entered, and how late the jobs of schedules are. */
import { startEcho } from "./echo.ts";
import { BenchHome, type BenchHost } from "./host.ts";
import { type Bench, quantile, type Row } from "./measure.ts";
import { RawQueue } from "./raw.ts";

const JOBS = 500;
const EVERY_MS = 20; // 50 a second.
const COMMITS = 200;
const TOGETHER = 200;
const SPREAD = 20;
const WATCH_MS = 6_000; // The schedules are due each second.
const SETTLE_MS = 1_000;
const TIMER_ROUNDS = 30;
const P50_MAX_MS = 1.5;
const P99_MAX_MS = 6;

/** The benchmark of one binary. */
export function latencyBench(binary: string): Bench {
  return {
    name: "latency",
    title: "Latency",
    how:
      "From the call of `enqueue` in a plugin to the first line of the handler, in the same plugin, at 50 jobs a " +
      "second. The floor is one message of a stream there and back, and a durable commit of bare `bun:sqlite`: the " +
      "job, which is claimed with it. The lateness of schedules is measured in the handler, against the instant at which " +
      "it was due: 200 schedules due in the same moment of each second, and 20 spread over the second. Its floor is " +
      "the lateness of as many `setTimeout`s in an idle process.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  const floor = await latencyFloor();
  const together = await timerLateness(TOGETHER);
  const single = await timerLateness(1);

  const latencies = await paced(binary);
  const atOnce = await lateness(binary, { schedules: TOGETHER, apartMs: 0 });
  const spread = await lateness(binary, { schedules: SPREAD, apartMs: 1_000 / SPREAD });

  const row = (what: string, values: number[], { floor, floorIs, q }: Floor & { q: number }): Row => ({
    what: `${what}, p${q * 100}`,
    unit: "ms",
    value: quantile(values, q),
    floor: floor(q),
    floorIs,
  });
  const both = (what: string, values: number[], floor: Floor): [Row, Row] => [
    row(what, values, { ...floor, q: 0.5 }),
    row(what, values, { ...floor, q: 0.99 }),
  ];
  const [p50, p99] = both("enqueue to handler", latencies, { floor, floorIs: "message, commit" });
  return [
    { ...p50, target: P50_MAX_MS },
    { ...p99, target: P99_MAX_MS },
    ...both("200 schedules at once", atOnce, { floor: (q) => quantile(together, q), floorIs: "200 timers" }),
    ...both("20 schedules spread", spread, { floor: (q) => quantile(single, q), floorIs: "1 timer" }),
  ];
}

interface Floor {
  floor: (q: number) => number;
  floorIs: string;
}

interface Report {
  latencies: number[];
  lateness: number[];
}

/** From enqueue to handler, for each of some hundred jobs. */
async function paced(binary: string): Promise<number[]> {
  await using home = new BenchHome(binary);
  const host = await startBenchPlugin(home);
  await host.run("bench.pace", { count: JOBS, everyMs: EVERY_MS });
  const { latencies } = await host.run<Report>("bench.report");
  return latencies;
}

/** The quantile of what cannot be saved between an enqueue and its handler. */
async function latencyFloor(): Promise<(q: number) => number> {
  await using echo = await startEcho();
  using raw = new RawQueue();
  const commits = raw.insertTimes(COMMITS);
  const trips: number[] = [];
  for (let n = 0; n < JOBS / 2; n++) {
    await Bun.sleep(EVERY_MS);
    const startedAt = performance.now();
    await echo.message();
    trips.push(performance.now() - startedAt);
  }
  return (q) => quantile(trips, q) + quantile(commits, q);
}

/** How late the jobs of so many schedules are entered; they are made `apartMs` after each other, and so they stay. */
export async function lateness(
  binary: string,
  { schedules, apartMs }: { schedules: number; apartMs: number },
): Promise<number[]> {
  await using home = new BenchHome(binary);
  const host = await startBenchPlugin(home);
  const when = apartMs === 0 ? { cron: "* * * * * *" } : { every: "1s" };
  const made: Promise<unknown>[] = [];
  for (let n = 0; n < schedules; n++) {
    made.push(host.call("schedule.create", { handler: "bench.due", ...when }));
    await Bun.sleep(apartMs);
  }
  await Promise.all(made);
  await Bun.sleep(SETTLE_MS);
  await host.run("bench.report"); // Without those that were due while others were made.
  await Bun.sleep(WATCH_MS);
  const { lateness } = await host.run<Report>("bench.report");
  return lateness;
}

async function startBenchPlugin(home: BenchHome): Promise<BenchHost> {
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  return host;
}

/** How late timers for the same moment ring, in an idle process. */
export async function timerLateness(timers: number): Promise<number[]> {
  const late: number[] = [];
  for (let round = 0; round < TIMER_ROUNDS; round++) {
    const dueAt = performance.now() + 50;
    const timer = () =>
      Bun.sleep(Math.ceil(dueAt - performance.now())).then(() => late.push(performance.now() - dueAt));
    await Promise.all(Array.from({ length: timers }, timer));
  }
  return late;
}
