/** What many schedules do together, and what is too much to ask. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { settle } from "../job/outcome.ts";
import { POLICY_DEFAULT, type Schedule } from "../schedule/schedule.ts";
import { SqliteForecasts } from "../store/sqlite/forecasts.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { NewSchedule } from "../store/schedules.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import { simulate, type SimulationRequest } from "./simulation.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
let env: FakeEnv;
let store: SqliteStore;
let source: SqliteForecasts;
let now: number;

beforeEach(() => {
  env = new FakeEnv();
  now = env.now();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  source = new SqliteForecasts(db, { tzdata: "test" });
});
afterEach(() => store.close());

const create = async (name: string, change: Partial<NewSchedule>): Promise<Schedule> => {
  const made = await store.schedules.create(newSchedule(env, { name, ...change }));
  if ("refused" in made) throw new Error(made.refused);
  return made;
};
const every = (everyMs: number): Partial<NewSchedule> => ({ spec: { kind: "every", everyMs } });
const play = (change: Partial<SimulationRequest> = {}) =>
  simulate(source, { ids: null, from: now, to: now + HOUR, durations: "median", now, ...change });

/** Lets the next occurrence of a schedule run for so long. */
async function run(schedule: Schedule, tookMs: number): Promise<void> {
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
  const nextRunAt = (await store.schedules.get(schedule.id))?.nextRunAt ?? now;
  await env.advance(nextRunAt - env.now());
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
  const [job] = await store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 1 }] });
  if (!job) throw new Error("nothing to run");
  await env.advance(tookMs);
  const outcome = { kind: "completed", result: null, cost: 0 } as const;
  await store.jobs.settle([settle(job, outcome, { now: env.now(), random: 0 })]);
  now = env.now();
}

test("runs per minute, their names, and the most at once", async () => {
  await create("often", every(10 * MINUTE));
  const seldom = await create("seldom", every(30 * MINUTE));
  const simulation = play({ to: now + HOUR + 1 });
  expect(simulation).toMatchObject({ schedules: 2, unknown: 2, occurrences: 8, fires: 8, overlaps: [] });
  expect(simulation.atOnce).toEqual({ runs: 2, at: now + 30 * MINUTE });
  expect(simulation.worst.slice(0, 2)).toMatchObject([
    { at: now + 30 * MINUTE, fires: 2, more: 0 },
    { at: now + 60 * MINUTE, fires: 2, more: 0 },
  ]);
  const [busiest] = simulation.worst;
  expect(busiest?.schedules.map(({ name }) => name).toSorted()).toEqual(["often", "seldom"]);
  expect(simulation.perHour.map(({ fires, peak }) => [fires, peak])).toEqual([
    [6, 2],
    [2, 2],
  ]);
  expect(play({ ids: [seldom.id] })).toMatchObject({ schedules: 1, fires: 1 });
});

test("a run that takes longer than the interval is forecast to be met, by its recorded durations", async () => {
  const tight = await create("tight", every(20 * SECOND));
  await run(tight, 50 * SECOND);
  const simulation = play({ from: now, to: now + 10 * MINUTE });
  expect(simulation.overlaps).toMatchObject([{ name: "tight", tookMs: 50 * SECOND, fires: 10, skipped: 20 }]);
  expect(simulation.atOnce.runs).toBe(1);
  await run(tight, SECOND);
  expect(play({ durations: "last", to: now + MINUTE }).overlaps).toEqual([]);
});

test("a paused schedule runs again when its pause ends, a deleted one never, and only the span counts", async () => {
  const paused = await create("paused", every(10 * MINUTE));
  await store.schedules.pause(paused.id, { note: "", by: "me", until: now + 35 * MINUTE });
  const gone = await create("gone", every(MINUTE));
  await store.schedules.delete(gone.id, "me");
  await create("later", { ...every(MINUTE), policy: { ...POLICY_DEFAULT, startAt: now + DAY } });
  expect(play()).toMatchObject({ schedules: 2, fires: 2 });
});

test("a schedule that is paused throughout the span runs nothing in it, and one until then only afterwards", async () => {
  const rests = await create("rests", every(MINUTE));
  await store.schedules.pause(rests.id, { note: "", by: "me", until: null });
  const back = await create("back", every(30 * MINUTE));
  await store.schedules.pause(back.id, { note: "", by: "me", until: now + HOUR });
  await create("runs", every(30 * MINUTE));
  const day = play({ to: now + DAY });
  expect(day).toMatchObject({ schedules: 2, paused: 1, occurrences: 93, fires: 93 });
  expect(day.worst.flatMap(({ schedules }) => schedules.map(({ name }) => name))).not.toContain("rests");
  const hour = { from: now + 10 * MINUTE, to: now + HOUR };
  expect(play(hour)).toMatchObject({ schedules: 1, paused: 2, occurrences: 1, fires: 1 });
  expect(play({ ids: [rests.id] })).toMatchObject({ schedules: 0, paused: 1, occurrences: 0 });
});

test("what is different when the clocks are changed", async () => {
  const cron = (text: string) => ({
    spec: { kind: "cron" as const, cron: [text] },
    timezone: "Europe/Amsterdam",
  });
  const { id } = await create("nightly", cron("30 2 * * *"));
  await create("morning", cron("0 9 * * *"));
  const from = Date.UTC(2026, 2, 28);
  const { clockChanges, perDay } = play({ from, to: from + 2 * DAY });
  expect(clockChanges).toEqual([
    {
      timezone: "Europe/Amsterdam",
      at: Date.UTC(2026, 2, 29, 1),
      offsetBefore: HOUR,
      offsetAfter: 2 * HOUR,
      schedules: [
        { id, name: "nightly", added: [Date.UTC(2026, 2, 29, 3)], missing: [Date.UTC(2026, 2, 29, 2, 30)] },
      ],
      more: 0,
    },
  ]);
  expect(perDay.map(({ occurrences }) => occurrences)).toEqual([2, 2]);
});

test("a replay says how it compares with the ledger", async () => {
  const schedule = await create("tight", every(20 * SECOND));
  const from = now;
  for (let i = 0; i < 5; i++) await run(schedule, 50 * SECOND);
  const { ledger, fires } = play({ from, to: now, durations: "replay" });
  expect(fires).toBe(5);
  expect(ledger).toMatchObject({ same: ledger?.occurrences, differences: [] });
  expect(ledger?.occurrences).toBeGreaterThan(10);
});

test("too much is refused before it is begun", async () => {
  for (let i = 0; i < 10; i++) await create(`s${i}`, every(SECOND));
  expect(() => play({ to: now + 30 * DAY })).toThrow("more than 20,000,000 occurrences");
});
