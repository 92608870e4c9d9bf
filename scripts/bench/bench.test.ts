/** Holds that the benchmarks can be run, on loads so small that their figures say nothing. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../build.ts";
import { asked, bulk, drained, stock } from "./backlog.ts";
import { cleaned, type Kind } from "./cleaning.ts";
import { refusalRows } from "./cron.ts";
import { drain, preloaded } from "./drain.ts";
import { startEcho } from "./echo.ts";
import { BenchHome, type BenchPlugin } from "./host.ts";
import { callTimes, idle, makeSchedules, probed } from "./many.ts";
import { callsPerSecond, holds, median, quantile, type Row, shareOfFloor } from "./measure.ts";
import { RawLedger } from "./raw-ledger.ts";
import { RawQueue } from "./raw.ts";
import { number, table } from "./report.ts";

setDefaultTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), "qntx-bench-test-"));
let binary = "";

beforeAll(async () => {
  binary = await build({ outfile: join(folder, "qntx") });
});

afterAll(() => rmSync(folder, { recursive: true }));

test.each<BenchPlugin>(["bench", "bench-python", "stranger", "able"])(
  "jobs that wait are drained by %s",
  async (plugin) => {
    const jobs = await preloaded(binary, { handler: `${plugin}.noop`, count: 300 });
    await using _home = jobs.home;
    expect(await drain(jobs, { plugin, count: 300 })).toBeGreaterThan(0);
  },
);

test("a plugin enqueues, paces itself and is called by schedules", async () => {
  await using home = new BenchHome(binary);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  expect(await host.run<number>("bench.enqueue", { callers: 2, batch: 10, ms: 50 })).toBeGreaterThan(0);
  await host.run("bench.pace", { count: 3, everyMs: 5 });
  await host.call("schedule.create", { handler: "bench.due", cron: "* * * * * *" });
  const latencies: number[] = [];
  const lateness: number[] = [];
  while (lateness.length === 0) {
    const report = await host.run<{ latencies: number[]; lateness: number[] }>("bench.report");
    latencies.push(...report.latencies);
    lateness.push(...report.lateness);
  }
  expect(latencies).toHaveLength(3);
});

test("jobs that were put into the database are drained, and lists are answered meanwhile", async () => {
  const { rate, memoryMiB } = await drained(binary, { queued: 300, kept: 300 });
  expect([rate > 0, memoryMiB > 1]).toEqual([true, true]);
  const { lists, statuses, waits, late } = await asked(binary, { queued: 300, failed: 300 }, 1_500);
  for (const figures of [lists, statuses, waits, late]) expect(figures).not.toHaveLength(0);
});

test("many jobs are cancelled and retried at once", async () => {
  const input = { handler: "bench.noop", limit: 200 };
  for (const [stocked, operation] of [
    [{ queued: 300 }, "job.cancelMany"],
    [{ failed: 300 }, "job.redrive"],
  ] as const)
    expect((await bulk(binary, stocked, operation, input)).rate).toBeGreaterThan(0);
});

test.each<Kind>(["jobs", "ledger rows", "lines of jobs"])(
  "schedules are due while old %s are removed, until none is left",
  async (kind) => {
    expect((await cleaned(binary, { kind, count: 2_000 })).late).not.toHaveLength(0);
  },
);

test("old jobs are removed by a host that finds them, and no others", async () => {
  await using home = new BenchHome(binary);
  await stock(home, { old: 600, kept: 30, queued: 3 });
  const host = await home.start();
  const left = async () => (await host.call<{ jobs: Record<string, number> }>("host.status", {})).jobs;
  while ((await left())["completed"] !== 30) await Bun.sleep(20);
  expect(await left()).toMatchObject({ completed: 30, queued: 3 });
});

test("what cannot be a schedule is refused over every way in", async () => {
  const rows = await refusalRows(binary, { calls: 1, processes: 1 });
  expect(rows).toHaveLength(12);
  expect(rows.every(({ value, floor }) => value > 0 && floor > 0)).toBe(true);
});

test("schedules are made, cost something while they are idle, and hold nobody up", async () => {
  await using home = new BenchHome(binary);
  expect(await makeSchedules(home, { count: 20, cron: "0 0 1 1 *" })).toBeGreaterThan(0);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  const { value, waits } = await probed(host, () => idle(host, 50));
  expect(value.memoryMiB).toBeGreaterThan(1);
  expect(waits.length).toBeGreaterThan(0);
  expect(await callTimes(host, "host.status")).not.toHaveLength(0);
  expect(await host.run<number>("bench.entered")).toBe(0);
});

test("an operation that is refused says so", async () => {
  await using home = new BenchHome(binary);
  home.configure({});
  const host = await home.start();
  await expect(host.call("job.show", { id: "JB_none" })).rejects.toThrow("job.show answered 404");
});

test("the floors are there", async () => {
  await using echo = await startEcho();
  for (const trip of [() => echo.call(), () => echo.message(), () => echo.request()])
    expect(await callsPerSecond({ callers: 2, ms: 20 }, trip)).toBeGreaterThan(0);
  using raw = new RawQueue();
  expect(await raw.inserts(20)).toBeGreaterThan(0);
  expect(await raw.batches(20)).toBeGreaterThan(0);
  expect(raw.insertTimes(3)).toHaveLength(3);
  expect(raw.drain(1_000)).toBeGreaterThan(0);
  using ledger = new RawLedger(300);
  expect(ledger.fire()).toBeGreaterThan(0);
});

test("a rate must be high and a time low", () => {
  const rate: Row = {
    what: "drain",
    unit: "jobs/s",
    value: 6_000,
    floor: 12_000,
    floorIs: "stream",
    target: 5_000,
  };
  const time: Row = { what: "start", unit: "ms", value: 80, floor: 20, floorIs: "empty", target: 60 };
  expect([rate, time].map(shareOfFloor)).toEqual([0.5, 0.25]);
  expect([rate, time].map(holds)).toEqual([true, false]);
  expect(table([rate, time])).toBe(`\
| what | value | floor | of the floor | must |
| --- | --- | --- | --- | --- |
| drain | 6,000 jobs/s | 12,000 jobs/s (stream) | 50 % | ≥ 5,000 jobs/s |
| start | 80.0 ms | 20.0 ms (empty) | 25 % | ≤ 60.0 ms: **missed** |`);
});

test("the middle and the end of some values", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(quantile([1, 2, 3, 4], 0.99)).toBe(4);
  expect(() => median([])).toThrow("nothing");
  expect([1.234, 12.34, 1234.5].map(number)).toEqual(["1.23", "12.3", "1,235"]);
});
