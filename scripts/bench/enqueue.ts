/** Enqueue: how fast jobs are acknowledged, which means: are on disk. */
import { type Echo, startEcho } from "./echo.ts";
import { BenchHome, type BenchHost } from "./host.ts";
import { type Bench, callsPerSecond, medianOf, type Row } from "./measure.ts";
import { RawQueue } from "./raw.ts";

const MS = 1_000; // Each time; the median of three counts.
const TIMES = 3;
const BATCH = 1_000;
const MANY = 64;
const SHARED = 0; // What the SDK does with `enqueue`: those of one turn share a call.

/** The benchmark of one binary. */
export function enqueueBench(binary: string): Bench {
  return {
    name: "enqueue",
    title: "Enqueue",
    how:
      "Jobs acknowledged per second: each is on disk before it is answered. By stream: a plugin enqueues " +
      "from inside a job with the TypeScript SDK, which takes the job stream. By call: one that calls " +
      "`HostService.Enqueue`, as others do. By socket: a program posts to the " +
      "host's unix socket, as the command line does. A batch has 1,000 jobs. With one caller the floor is one call " +
      "to a server that gives back what it gets, and after it one durable insert of bare `bun:sqlite`; with 64 " +
      "callers it is the calls alone, because commits are shared; for batches it is the insert. The SDK sends what is " +
      "enqueued in one turn in one message: shared.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  await using home = new BenchHome(binary);
  home.configure({ plugins: ["bench", "able"] });
  const host = await home.start();
  await host.said("jobs run");
  await using echo = await startEcho();
  using raw = new RawQueue();
  const single = await medianOf(TIMES, () => raw.inserts(MS));
  const batch = await medianOf(TIMES, () => raw.batches(MS));
  return [
    ...(await byGrpc(host, echo, { single, batch })),
    ...(await bySocket(host, echo, { single, batch })),
  ];
}

interface Inserts {
  single: number;
  batch: number;
}

async function byGrpc(host: BenchHost, echo: Echo, { single, batch }: Inserts): Promise<Row[]> {
  const stream = (callers: number, size: number) =>
    medianOf(TIMES, () => host.run<number>("bench.enqueue", { callers, batch: size, ms: MS }));
  const call = (callers: number) =>
    medianOf(TIMES, () => host.run<number>("able.enqueue", { callers, ms: MS }));
  const calls = (callers: number) => callsPerSecond({ callers, ms: MS }, () => echo.call());
  const [one, many] = [await calls(1), await calls(MANY)];
  const single64 = [oneAfterTheOther(MANY * one, batch), "call for 64, then insert"] as const;
  const single1 = [oneAfterTheOther(one, single), "call, then insert"] as const;
  return [
    row("stream, 1 caller", await stream(1, SHARED), single1, 3_000),
    row("stream, 64 callers, a message each", await stream(MANY, 1), [many, "calls"], 40_000),
    row("stream, 64 callers, shared", await stream(MANY, SHARED), single64, 40_000),
    row("stream, batches", await stream(1, BATCH), [batch, "batch inserts"], 150_000),
    row("call, 1 caller", await call(1), single1),
    row("call, 64 callers", await call(MANY), [many, "calls"], 15_000),
  ];
}

async function bySocket(host: BenchHost, echo: Echo, { single, batch }: Inserts): Promise<Row[]> {
  const job = { handler: "bench.nobody", payload: { n: 1 } };
  const jobs = Array.from({ length: BATCH }, () => job);
  const ours = (callers: number) =>
    medianOf(TIMES, () => callsPerSecond({ callers, ms: MS }, () => host.call("job.enqueue", job)));
  const many = () => callsPerSecond({ callers: 1, ms: MS }, () => host.call("job.enqueueMany", { jobs }));
  const calls = (callers: number) => callsPerSecond({ callers, ms: MS }, () => echo.request());
  return [
    row("socket, 1 caller", await ours(1), [
      oneAfterTheOther(await calls(1), single),
      "request, then insert",
    ]),
    row("socket, 64 callers", await ours(MANY), [await calls(MANY), "requests"]),
    row("socket, batches", BATCH * (await medianOf(TIMES, many)), [batch, "batch inserts"]),
  ];
}

function row(what: string, value: number, [floor, floorIs]: readonly [number, string], target?: number): Row {
  return { what, value, unit: "jobs/s", floor, floorIs, ...(target && { target }) };
}

/** The rate of two things that are done in turn. */
function oneAfterTheOther(a: number, b: number): number {
  return 1 / (1 / a + 1 / b);
}
