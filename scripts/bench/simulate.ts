/** Simulate: ten thousand schedules through a week, beside a host that goes on. */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { BenchHome } from "./host.ts";
import { type Bench, median, quantile, type Row } from "./measure.ts";

const SCHEDULES = 10_000;
const MAKERS = 64;
const DAYS = 7;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const TIMES = 3;
const SIMULATION_MAX_MS = 10_000;
const WAIT_MAX_MS = 50;
const PROBE_EVERY_MS = 5;
const QUIET_MS = 2_000;
/** Every tenth takes longer than its interval: what it meets must be decided one by one. */
const SLOW_EVERY = 10; // Half of them are more frequent than that, and are met.

/** The benchmark of one binary. */
export function simulateBench(binary: string): Bench {
  return {
    name: "simulate",
    title: "Simulation",
    how:
      "10,000 schedules, half of them hourly to daily and the others every 5 to 30 minutes, each with a recorded run, " +
      "every tenth of a run that takes longer than its interval; `schedule.simulate` for all of them and the week to " +
      "come, asked of a host over its socket. The floor is a loop over as many instants that counts them by their " +
      "minute. Meanwhile the host is asked every 5 ms whether it is alive; the floor is the longest answer of an idle host.",
    run: () => run(binary),
  };
}

interface Simulated {
  fires: number;
  overlapping: number;
}

async function run(binary: string): Promise<Row[]> {
  await using home = new BenchHome(binary);
  home.configure({});
  await make(home);
  record(home);
  const host = await home.start();
  await Bun.sleep(QUIET_MS);
  const idleWaits = await waits(home, Bun.sleep(QUIET_MS));
  const times: number[] = [];
  const waitsBeside: number[] = [];
  let simulated: Simulated = { fires: 0, overlapping: 0 };
  for (let time = 0; time < TIMES; time++) {
    const startedAt = performance.now();
    const asked = host.call<Simulated>("schedule.simulate", {});
    waitsBeside.push(...(await waits(home, asked)));
    simulated = await asked;
    times.push(performance.now() - startedAt);
  }
  if (simulated.overlapping < SCHEDULES / SLOW_EVERY / 4) throw new Error("Too few of them meet each other.");
  return [
    {
      what: `${SCHEDULES.toLocaleString("en-US")} schedules, ${DAYS} days, ${simulated.fires.toLocaleString("en-US")} runs`,
      unit: "ms",
      value: median(times),
      floor: countingMs(simulated.fires),
      floorIs: "counting them",
      target: SIMULATION_MAX_MS,
    },
    {
      what: "a request meanwhile, the longest",
      unit: "ms",
      value: quantile(waitsBeside, 1),
      floor: quantile(idleWaits, 1),
      floorIs: "idle host",
      target: WAIT_MAX_MS,
    },
  ];
}

/** Makes the schedules, as programs would. */
async function make(home: BenchHome): Promise<void> {
  const host = await home.start();
  const left = Array.from({ length: SCHEDULES }, (_, index) => index);
  const maker = async () => {
    for (let index = left.pop(); index !== undefined; index = left.pop())
      await host.call("schedule.create", {
        name: `s${index}`,
        handler: "bench.none",
        paused: false,
        ...whenOf(index),
      });
  };
  await Promise.all(Array.from({ length: MAKERS }, maker));
  await host.stop();
}

function whenOf(index: number): { cron: string; timezone: string } | { every: string } {
  const minute = index % 60;
  if (index % 4 === 0) return { cron: `${minute} * * * *`, timezone: "Europe/Amsterdam" };
  if (index % 4 === 2) return { cron: `${minute} ${index % 24} * * *`, timezone: "America/New_York" };
  const minutes = 5 + (index % 26);
  return index % 4 === 1 ? { every: `${minutes}m` } : { cron: `*/${minutes} * * * *`, timezone: "UTC" };
}

/** A run of each, as if it had been. */
function record(home: BenchHome): void {
  using db = new Database(join(home.path, "qntx.db"), { readwrite: true, strict: true });
  const at = Date.now() - DAY_MS;
  const ids = db.query<{ id: string; everyMs: number | null }, []>(
    "SELECT id, json_extract(spec, '$.everyMs') AS everyMs FROM schedule",
  );
  const insert = db.query(INSERT_RUN);
  db.transaction(() => {
    ids.all().forEach(({ id, everyMs }, index) => {
      const took = index % SLOW_EVERY === 0 ? (everyMs ?? 30 * MINUTE_MS) + MINUTE_MS : 20_000;
      insert.run({ id: `JB_${index}`, schedule: id, at, end: at + took });
    });
  })();
}

/** How long a request to the host took, one every few milliseconds, until `work` is done. */
async function waits(home: BenchHome, work: Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  const done = new AbortController();
  void work.finally(() => done.abort());
  for (; !done.signal.aborted; await Bun.sleep(PROBE_EVERY_MS)) {
    const startedAt = performance.now();
    await (await fetch("http://x/healthz", { unix: join(home.path, "host.sock") })).text();
    took.push(performance.now() - startedAt);
  }
  return took;
}

function countingMs(instants: number): number {
  const minutes = new Uint32Array((DAYS * DAY_MS) / MINUTE_MS);
  const startedAt = performance.now();
  for (let at = 0; at < instants; at++) {
    const minute = at % minutes.length;
    minutes[minute] = (minutes[minute] ?? 0) + 1;
  }
  return performance.now() - startedAt;
}

const INSERT_RUN = `
  INSERT INTO job (id, tenant, handler, plugin, lane, trigger, source, owner, priority, state, run_at, schedule_id,
                   occurrence, created_at, started_at, finished_at, payload)
  VALUES ($id, '', 'bench.none', '', 'bench.none', 'schedule', '', '', 0, 'completed', $at, $schedule,
          $at, $at, $at, $end, x'')`;
