/** Schedules: what very many cost: while none is due, when all are at once, and after an outage. */
import type { Database } from "bun:sqlite";
import { startEcho } from "./echo.ts";
import { BenchHome, type BenchHost } from "./host.ts";
import { lateness, timerLateness } from "./latency.ts";
import { callTimes, type Idle, idle, makeSchedules, probed } from "./many.ts";
import { type Bench, callsPerSecond, quantile, type Row } from "./measure.ts";
import { RawLedger } from "./raw-ledger.ts";

const FEW = 100;
const MANY = 100_000;
const TOGETHER = 1_000;
const MAKERS = 64;
const REQUESTS_MS = 1_000;
const PREPARE_MS = 100_000; // To make them, to start again, and to be idle.
const SETTLE_MS = 5_000;
const IDLE_MS = 30_000;
const QUIET_MS = 5_000;
const LOOK_MS = 500;
const OUTAGE_MS = 3_600_000;
const CATCHUP_MS = 10_000;
const CATCHUP_STARTS_PER_SECOND = 100;
const READY_MAX_MS = 500;
const ANSWER_MAX_MS = 20;
const LOOP_MAX_MS = 50;
const WRITTEN_MAX_MS = 5_000;

/** The benchmark of one binary. */
export function schedulesBench(binary: string): Bench {
  return {
    name: "schedules",
    title: "Schedules",
    how:
      "100,000 hourly schedules, all due in the same second, for a handler of the TypeScript plugin. Stored, they are " +
      "held against 100 in a host beside it: memory is what is resident of the host's process after half a minute in " +
      "which nothing is due, and its processor time is that of it. Written is the time from the instant at which they are due until the last " +
      "of them has its row in the ledger and its job; meanwhile the plugin runs those jobs. Its floor is the same " +
      "rows written by bare `bun:sqlite` into the same tables. The loop is watched from outside, by a request every " +
      "5 ms to the host's socket, against the same in an idle host, and by the host itself. For the outage the " +
      "cursors are set back by an hour. Lateness is measured as above, for 1,000 schedules due each second of five.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  await using home = new BenchHome(binary);
  const dueAt = 1_000 * Math.ceil((Date.now() + PREPARE_MS) / 1_000);
  const due = new Date(dueAt);
  const cron = `${due.getUTCSeconds()} ${due.getUTCMinutes()} * * * *`;
  const made = await makeSchedules(home, { count: MANY, cron });
  await using outage = home.copy();
  const host = await startWithPlugin(home);
  const [few, many] = await storedCosts(binary, host);
  const quiet = quantile((await probed(host, () => Bun.sleep(QUIET_MS))).waits, 1);
  const idleHost = { readyMs: many.readyMs, probeMs: quiet };
  return [
    await creation(made),
    ...storedRows(few, many),
    ...(await allDue({ home, host, dueAt }, idleHost)),
    ...(await afterOutage(outage, idleHost)),
    ...(await together(binary)),
  ];
}

async function creation(value: number): Promise<Row> {
  await using echo = await startEcho();
  const floor = await callsPerSecond({ callers: MAKERS, ms: REQUESTS_MS }, () => echo.request());
  return { what: "create by socket, 64 callers", unit: "schedules/s", value, floor, floorIs: "requests" };
}

interface Stored extends Idle {
  readyMs: number;
  listMs: number;
  statusMs: number;
  findMs: number;
}

async function startWithPlugin(home: BenchHome): Promise<BenchHost> {
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  return host;
}

/** What hosts with few and with many schedules cost, side by side, while none is due. */
async function storedCosts(binary: string, many: BenchHost): Promise<[Stored, Stored]> {
  await using home = new BenchHome(binary);
  await makeSchedules(home, { count: FEW, cron: "0 0 1 1 *" });
  const few = await startWithPlugin(home);
  await Bun.sleep(SETTLE_MS);
  const costs = await Promise.all([idle(few, IDLE_MS), idle(many, IDLE_MS)]);
  // People's questions come last: they leave traces in memory.
  return [
    { ...costs[0], ...(await answers(few)) },
    { ...costs[1], ...(await answers(many)) },
  ];
}

async function answers(host: BenchHost): Promise<Omit<Stored, keyof Idle>> {
  const { schedules } = await host.call<{ schedules: { id: string }[] }>("schedule.list", { limit: 1 });
  const part = schedules[0]?.id.slice(-8) ?? "";
  const time = async (operation: string, input: object = {}) =>
    quantile(await callTimes(host, operation, input), 0.5);
  return {
    readyMs: host.readyMs,
    listMs: await time("schedule.list", { limit: 100 }),
    statusMs: await time("host.status"),
    findMs: await time("schedule.show", { id: part }),
  };
}

function storedRows(few: Stored, many: Stored): Row[] {
  const row = (what: string, key: keyof Stored, unit: Row["unit"], target: number): Row => {
    const [value, floor] = [many[key], few[key]];
    return { what, unit, value, floor, floorIs: "100 schedules", target };
  };
  return [
    row("100,000 stored: memory of the host", "memoryMiB", "MiB", few.memoryMiB * 1.1),
    row("100,000 stored: idle", "cpuPercent", "% of a core", 1),
    row("100,000 stored: `serve` until it is ready", "readyMs", "ms", READY_MAX_MS),
    row("100,000 stored: `schedule list`, 100 of them", "listMs", "ms", ANSWER_MAX_MS),
    row("100,000 stored: `status`", "statusMs", "ms", ANSWER_MAX_MS),
    row("100,000 stored: `schedule show` by the end of an id", "findMs", "ms", ANSWER_MAX_MS),
  ];
}

/** What an idle host with as many schedules does: the floor for one that is busy. */
interface IdleHost {
  readyMs: number;
  probeMs: number;
}

interface Due {
  home: BenchHome;
  host: BenchHost;
  dueAt: number;
}

async function allDue({ home, host, dueAt }: Due, idleHost: IdleHost): Promise<Row[]> {
  if (Date.now() > dueAt) throw new Error("They were due before the host had been idle.");
  await Bun.sleep(dueAt - Date.now());
  const { waits } = await probed(host, () => allEntered(host));
  const { loop } = await host.call<{ loop: { worstMs: number } }>("host.status", {});
  await host.stop();
  const { writtenMs, ranMs } = times(home.database(), dueAt);
  const bare = { unit: "ms", floor: bareWrites(), floorIs: "bare rows" } as const;
  const held = { unit: "ms", floor: idleHost.probeMs, floorIs: "worst, idle", target: LOOP_MAX_MS } as const;
  return [
    { what: "100,000 at once: written", value: writtenMs, ...bare, target: WRITTEN_MAX_MS },
    { what: "100,000 at once: all have run", value: ranMs, ...bare },
    { what: "100,000 at once: loop held, seen from outside", value: quantile(waits, 1), ...held },
    { what: "100,000 at once: loop held, seen from inside", value: loop.worstMs, ...held },
  ];
}

async function allEntered(host: BenchHost): Promise<void> {
  while ((await host.run<number>("bench.entered")) < MANY) await Bun.sleep(LOOK_MS);
}

function bareWrites(): number {
  using raw = new RawLedger(MANY);
  return raw.fire();
}

/** When the last row was written and the last job ended, after they were due. */
function times(db: Database, dueAt: number): { writtenMs: number; ranMs: number } {
  using _db = db;
  const row = db.query<{ written: number; ran: number; count: number }, []>(TIMES).get();
  if (row?.count !== MANY) throw new Error(`${row?.count} of ${MANY} are in the ledger.`);
  return { writtenMs: row.written - dueAt, ranMs: row.ran - dueAt };
}

const TIMES = `
  SELECT MAX(o.decided_at) AS written, MAX(j.finished_at) AS ran, COUNT(*) AS count
    FROM occurrence o
    JOIN job j ON j.id = o.job_id`;

/** A host that comes back after an hour: how soon it is there, and how it makes up for what it missed. */
async function afterOutage(home: BenchHome, idleHost: IdleHost): Promise<Row[]> {
  setBack(home.database({ readonly: false }));
  const host = await startWithPlugin(home);
  const { value: recordedMs, waits } = await probed(host, () => allRecorded(home, host));
  await Bun.sleep(CATCHUP_MS);
  await host.stop();
  const ready = { floor: idleHost.readyMs, floorIs: "none missed", target: READY_MAX_MS };
  const held = { floor: idleHost.probeMs, floorIs: "worst, idle", target: LOOP_MAX_MS };
  return [
    { what: "100,000 missed: `serve` until it is ready", unit: "ms", value: host.readyMs, ...ready },
    {
      what: "100,000 missed: written, since the start",
      unit: "ms",
      value: recordedMs,
      floor: bareWrites(),
      floorIs: "bare rows",
    },
    { what: "100,000 missed: loop held, seen from outside", unit: "ms", value: quantile(waits, 1), ...held },
    {
      what: "100,000 missed: made up for",
      unit: "starts/s",
      value: startsPerSecond(home),
      floor: CATCHUP_STARTS_PER_SECOND,
      floorIs: "one in 10 ms",
    },
  ];
}

/** Resolves with the milliseconds from the start of the host until each has its row in the ledger. */
async function allRecorded(home: BenchHome, host: BenchHost): Promise<number> {
  using db = home.database();
  const count = db.query<{ count: number }, []>("SELECT COUNT(*) AS count FROM occurrence");
  while ((count.get()?.count ?? 0) < MANY) await Bun.sleep(LOOK_MS);
  return performance.now() - host.startedAt;
}

function startsPerSecond(home: BenchHome): number {
  using db = home.database();
  const { count, ms } = db.query<{ count: number; ms: number }, []>(STARTS).get() ?? { count: 0, ms: 1 };
  return count / (ms / 1_000);
}

function setBack(db: Database): void {
  using _db = db;
  db.run(`
    UPDATE schedule_cursor
       SET accounted_until = accounted_until - ${OUTAGE_MS},
           next_occurrence = next_occurrence - ${OUTAGE_MS},
           due_at          = due_at - ${OUTAGE_MS}`);
}

const STARTS = `
  SELECT COUNT(*) AS count, MAX(started_at) - MIN(started_at) AS ms
    FROM job
   WHERE started_at IS NOT NULL`;

async function together(binary: string): Promise<Row[]> {
  const values = await lateness(binary, { schedules: TOGETHER, apartMs: 0 });
  const timers = await timerLateness(TOGETHER);
  const row = (q: number, target: number): Row => ({
    what: `1,000 at once: lateness, p${q * 100}`,
    unit: "ms",
    value: quantile(values, q),
    floor: quantile(timers, q),
    floorIs: "1,000 timers",
    target,
  });
  return [row(0.5, 20), row(0.99, 250)];
}
