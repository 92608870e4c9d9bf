/** Damages a store by SQL in every way that nobody would look after again, and sees each one found, told and set right. */
import type { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeEnv } from "../../base/fake-env.ts";
import { type Policy, POLICY_DEFAULT, type Schedule } from "../../schedule/schedule.ts";
import { COMPLETED, end, newSchedule } from "../storetest/fixture.ts";
import { openDatabase } from "./open.ts";
import { SqliteStore } from "./store.ts";

const MINUTE = 60_000;

let env: FakeEnv;
let db: Database;
let store: SqliteStore;
beforeEach(() => {
  env = new FakeEnv();
  db = openDatabase(":memory:");
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
});
afterEach(() => store.close());

async function create(change: Partial<Policy> = {}): Promise<Schedule> {
  const made = await store.schedules.create(newSchedule(env, { policy: { ...POLICY_DEFAULT, ...change } }));
  if ("refused" in made) throw new Error(made.refused);
  return made;
}

async function tick(ms: number) {
  await env.advance(ms);
  return store.schedules.fire({ nodeId: store.nodes.id, limit: 100 });
}

async function outcomes(id: string): Promise<string[]> {
  const { items } = await store.schedules.ledger(id, {}, {});
  return items.map(({ outcome, count }) => (count === 1 ? outcome : `${outcome} ${count}`));
}

/** Runs what is queued, and lets it succeed. */
async function work(): Promise<string[]> {
  const jobs = await store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 10 }] });
  for (const job of jobs) await end(store, env, job, COMPLETED);
  return jobs.map(({ id }) => id);
}

/** All that is wrong, set right; each thing was told once. */
async function repaired(): Promise<string[]> {
  const damage = await store.ledger.damage(10);
  const repairs = await store.ledger.repair(10);
  expect(repairs.map((one) => one.damage)).toEqual(damage);
  expect(await store.ledger.damage(10)).toEqual([]);
  expect(await store.ledger.repair(10)).toEqual([]);
  const { items } = await store.events.list({ kind: "schedule.repaired" }, {});
  expect(items.map(({ message }) => message).toReversed()).toEqual(repairs.map(({ sentence }) => sentence));
  return repairs.map(({ damage: { kind }, repair }) => `${kind}: ${repair}`);
}

test("a store that nobody had a hand in has nothing to repair, whatever its schedules do", async () => {
  const [paused, gone] = [await create(), await create()];
  await create({ overlap: "buffer-all" });
  await create({ endAt: env.now() + MINUTE });
  await tick(MINUTE);
  await tick(MINUTE);
  await store.schedules.pause(paused.id, { note: "", by: "me", until: null });
  await store.schedules.delete(gone.id, "me");
  expect(await repaired()).toEqual([]);
});

describe("an active schedule", () => {
  test.each([
    [
      "without a next run",
      "UPDATE schedule_cursor SET next_occurrence = NULL, due_at = NULL",
      "idle: restarted",
    ],
    ["without a cursor", "DELETE FROM schedule_cursor", "cursor-gone: restored"],
  ])("%s goes on where it stood, and what was due meanwhile is accounted for", async (_, damage, done) => {
    const { id } = await create({ overlap: "allow" });
    await tick(MINUTE);
    db.run(damage);
    await tick(10 * MINUTE);
    expect(await outcomes(id)).toEqual(["fired"]);
    expect(await repaired()).toEqual([done]);
    await tick(0);
    const after = (await outcomes(id)).slice(1);
    expect(after).toEqual(["coalesced 9", "fired"]);
    expect(await store.schedules.get(id)).toMatchObject({ nextRunAt: env.now() + MINUTE });
  });

  test("that is paused wakes when its pause ends, although nobody was to look", async () => {
    const { id } = await create();
    await store.schedules.pause(id, { note: "", by: "me", until: env.now() + 5 * MINUTE });
    db.run("UPDATE schedule_cursor SET due_at = NULL");
    await env.advance(6 * MINUTE);
    expect(await repaired()).toEqual(["idle: restarted"]);
    await tick(0);
    expect(await outcomes(id)).toEqual(["paused 5", "fired"]);
  });

  test("that a hand woke up begins when it is found", async () => {
    const { id } = await create();
    await store.schedules.delete(id, "me");
    db.run("UPDATE schedule SET state = 'active', deleted_by = NULL");
    await env.advance(10 * MINUTE);
    expect(await repaired()).toEqual(["idle: restarted"]);
    expect((await tick(MINUTE)).jobs).toHaveLength(1);
    expect(await outcomes(id)).toEqual(["fired"]);
  });
});

test.each([
  ["paused", "paused 10"],
  ["deleted", undefined],
] as const)("the cursor of a %s schedule is restored, and it fires nothing", async (state, recorded) => {
  const { id } = await create();
  if (state === "paused") await store.schedules.pause(id, { note: "", by: "me", until: null });
  else await store.schedules.delete(id, "me");
  db.run("DELETE FROM schedule_cursor");
  expect(await repaired()).toEqual(["cursor-gone: restored"]);
  expect((await tick(10 * MINUTE)).jobs).toEqual([]);
  await store.schedules.resume(id);
  expect(await outcomes(id)).toEqual(recorded ? [recorded] : []);
});

test("a cursor that a schedule has left behind is restored, and fires nothing beside the one in use", async () => {
  const { id } = await create({ overlap: "allow" });
  await tick(MINUTE);
  await store.schedules.update(id, { locking: "node-local" });
  db.run("DELETE FROM schedule_cursor");
  expect(await repaired()).toEqual(["cursor-gone: restored", "cursor-gone: restored"]);
  expect((await tick(MINUTE)).jobs).toHaveLength(1);
});

test("one schedule that cannot be evaluated keeps no other from being repaired, and is told of when it alone is left", async () => {
  const [broken, sound] = [await create(), await create()];
  db.run("UPDATE schedule_cursor SET next_occurrence = NULL, due_at = NULL");
  db.run(`UPDATE schedule SET spec = '{"kind":"cron","cron":["nonsense"]}' WHERE id = '${broken.id}'`);
  const repairs = await store.ledger.repair(10);
  expect(repairs.map(({ damage }) => damage.scheduleId)).toEqual([sound.id]);
  expect((await store.events.list({ kind: "schedule.repaired" }, {})).items).toHaveLength(1);
  await expect(store.ledger.repair(10)).rejects.toThrow("is not a cron expression");
});

describe("a run whose job is gone", () => {
  test("is made again under the same id, and runs", async () => {
    const { id } = await create();
    const [job] = (await tick(MINUTE)).jobs;
    db.run("DELETE FROM job");
    expect(await repaired()).toEqual(["run-gone: made-again"]);
    expect(await work()).toEqual([job?.id ?? ""]);
    expect(await outcomes(id)).toEqual(["fired"]);
  });

  test("does not run again when it had ended, or when another one would be in its way", async () => {
    const { id } = await create();
    await tick(MINUTE);
    const [ended] = await work();
    await tick(MINUTE);
    db.run("DELETE FROM job");
    await tick(MINUTE);
    expect((await repaired()).toSorted()).toEqual(["run-gone: noted", "run-gone: noted"]);
    const { items } = await store.schedules.ledger(id, {}, {});
    expect(items[0]?.note).toBe(`job ${ended} was deleted by hand`);
    expect(await work()).toHaveLength(1);
  });

  test("is no damage when it had ended and was removed because it was old", async () => {
    await create();
    await tick(MINUTE);
    await work();
    db.run("INSERT INTO meta (key, value) VALUES ('pruning', 'jobs')");
    db.run("DELETE FROM job");
    expect(await repaired()).toEqual([]);
  });

  test("fails as expired when it is too late for it", async () => {
    await create({ latenessMaxMs: MINUTE });
    const [job] = (await tick(MINUTE)).jobs;
    db.run("DELETE FROM job");
    await env.advance(10 * MINUTE);
    await repaired();
    await store.jobs.promote(10);
    expect(await store.jobs.get(job?.id ?? "")).toMatchObject({
      state: "failed",
      error: { kind: "expired" },
    });
  });
});

describe("an occurrence that waits", () => {
  test("for a run that is gone is looked at, and runs", async () => {
    const { id } = await create({ overlap: "buffer-one" });
    await tick(MINUTE);
    await tick(MINUTE);
    expect(await outcomes(id)).toEqual(["fired", "pending"]);
    db.run("UPDATE schedule_cursor SET due_at = due_at + 86400000");
    db.run("UPDATE job SET state = 'completed', finished_at = 1");
    expect(await repaired()).toEqual(["left-open: looked-at"]);
    await tick(0);
    expect((await outcomes(id)).slice(0, 2)).toEqual(["fired", "fired"]);
  });

  test.each([
    ["of a schedule that is paused", "pause", "paused"],
    ["of a schedule that is deleted", "delete", "deleted"],
  ] as const)("%s is closed", async (_, verb, outcome) => {
    const { id } = await create({ overlap: "buffer-one" });
    await tick(MINUTE);
    if (verb === "pause") await store.schedules.pause(id, { note: "", by: "me", until: null });
    else await store.schedules.delete(id, "me");
    db.run("UPDATE occurrence SET outcome = 'pending', job_id = NULL");
    expect(await repaired()).toEqual(["left-open: closed"]);
    expect(await outcomes(id)).toEqual([outcome]);
  });

  test("with others, as a range, is closed", async () => {
    const { id } = await create();
    await tick(10 * MINUTE);
    db.run("UPDATE occurrence SET outcome = 'pending' WHERE count > 1");
    expect(await repaired()).toEqual(["left-open: closed"]);
    expect(await outcomes(id)).toEqual(["skipped-missed 9", "fired"]);
  });
});

test("an occurrence that waits for its lock waits on, and is closed where its schedule has ended by hand", async () => {
  await store.close();
  db = openDatabase(":memory:");
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test", locksBy: { plugin: "locks" } });
  const { id } = await create();
  await tick(MINUTE);
  await env.advance(10 * MINUTE);
  await tick(0);
  expect(await outcomes(id)).toContain("pending");
  expect(await repaired()).toEqual([]);
  db.run("UPDATE schedule SET state = 'deleted', deleted_by = 'hand'");
  expect(await repaired()).toContain("left-open: closed");
  expect(await outcomes(id)).not.toContain("pending");
  expect(await store.schedules.lockWaits(10)).toEqual([]);
});
