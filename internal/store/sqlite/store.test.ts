/** Runs the conformance suite on SQLite, on real files. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeEnv } from "../../base/fake-env.ts";
import { settle } from "../../job/outcome.ts";
import { POLICY_DEFAULT } from "../../schedule/schedule.ts";
import { failed, newJob, newSchedule, type OpenOptions, type OpenStore } from "../storetest/fixture.ts";
import { applySuite } from "../storetest/apply.ts";
import { attemptSuite } from "../storetest/attempts.ts";
import { budgetSuite } from "../storetest/budgets.ts";
import { bulkSuite } from "../storetest/bulk.ts";
import { claimSuite } from "../storetest/claims.ts";
import { definitionSuite } from "../storetest/definitions.ts";
import { flowSuite } from "../storetest/flows.ts";
import { grantSuite } from "../storetest/grants.ts";
import { attestationSuite } from "../storetest/attestations.ts";
import { blackoutSuite } from "../storetest/blackouts.ts";
import { eventSuite } from "../storetest/events.ts";
import { objectiveSuite } from "../storetest/objectives.ts";
import { watcherSuite } from "../storetest/watchers.ts";
import { webhookSuite } from "../storetest/webhooks.ts";
import { backfillSuite } from "../storetest/backfills.ts";
import { lockSuite } from "../storetest/locks.ts";
import { lockedScheduleSuite } from "../storetest/locked-schedules.ts";
import { declarationSuite } from "../storetest/declarations.ts";
import { jobPruningSuite } from "../storetest/job-pruning.ts";
import { jobSuite } from "../storetest/jobs.ts";
import { ledgerSuite } from "../storetest/ledger.ts";
import { limitSuite } from "../storetest/limits.ts";
import { pluginSuite } from "../storetest/plugins.ts";
import { quotaSuite } from "../storetest/quotas.ts";
import { policySuite } from "../storetest/policies.ts";
import { scheduleSuite } from "../storetest/schedules.ts";
import { storageSuite } from "../storetest/storage.ts";
import { openDatabase } from "./open.ts";
import { SqliteStore } from "./store.ts";

async function openSqlite({ locksBy }: OpenOptions = {}) {
  const home = mkdtempSync(join(tmpdir(), "qntx-store-"));
  const env = new FakeEnv();
  const db = openDatabase(join(home, "qntx.db"));
  const store = new SqliteStore(env, {
    db,
    logPath: join(home, "logs.db"),
    tzdata: "test",
    ...(locksBy && { locksBy }),
  });
  return {
    db,
    env,
    store,
    async close() {
      await store.close();
      rmSync(home, { recursive: true });
    },
  };
}

const open: OpenStore = (options) => openSqlite(options);

test.each([
  // whose locks the next start takes, hint         jobs
  ["store", "require-global", 1],
  ["none", "prefer-global", 1],
  ["none", "require-global", 0],
  [{ plugin: "others" }, "require-global", 0],
] as const)(
  "who waited for the lock of a plugin, once locks are kept by %j: %s",
  async (locksBy, locking, jobs) => {
    const { db, env, store, close } = await openSqlite({ locksBy: { plugin: "locks" } });
    await store.schedules.create(newSchedule(env, { locking }));
    const fire = (of: SqliteStore) => of.schedules.fire({ nodeId: store.nodes.id, limit: 100 });
    await env.advance(60_000);
    expect(await fire(store)).toMatchObject({ jobs: [], asked: 1 });
    await env.advance(1_000);
    const next = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test", locksBy });
    expect((await fire(next)).jobs).toHaveLength(jobs);
    expect(await next.schedules.lockWaits(10)).toHaveLength(1 - jobs);
    await close();
  },
);

test("a schedule whose zone is no more can be deleted, or given another one", async () => {
  const { db, env, store, close } = await openSqlite();
  const spec = { kind: "cron", cron: ["0 * * * *"] } as const;
  const [one, other] = [newSchedule(env, { spec }), newSchedule(env, { spec })];
  for (const schedule of [one, other]) await store.schedules.create(schedule);
  db.run("UPDATE schedule SET timezone = 'Mars/Base'");
  await env.advance(7_200_000);
  const fired = await store.schedules.fire({ nodeId: store.nodes.id, limit: 100 });
  expect(fired.broken).toHaveLength(2);
  const before = env.now();
  for (let again = 0; again < 3; again++) {
    await env.advance(60_000);
    await store.schedules.fire({ nodeId: store.nodes.id, limit: 100 });
  }
  const { items } = await store.events.list({ subject: one.id }, {});
  expect(items).toMatchObject([{ kind: "schedule.broken", data: { revision: 1 } }]);
  expect(await store.schedules.delete(one.id, "me")).toMatchObject({ state: "deleted" });
  expect(await store.schedules.update(other.id, { timezone: "Europe/Berlin" })).toMatchObject({
    state: "active",
    nextRunAt: before + 3_600_000,
  });
  await close();
});

test("who runs and is followed is remembered; not where the tie was undone, or the run is over", async () => {
  const { env, store, close } = await openSqlite();
  const [parent, other] = [newJob(env), newJob(env)];
  await store.jobs.enqueue([parent, other]);
  const [held] = await store.jobs.claim({ bootId: "BT_1", lanes: [{ lane: "test.work", limit: 2 }] });
  if (!held) throw new Error("it is there to be claimed");
  const child = (of: typeof parent) => newJob(env, { parentId: of.id });
  const broken = newJob(env, { payload: null as unknown as Uint8Array });
  await expect(store.jobs.enqueue([child(other), broken])).rejects.toThrow("NOT NULL");
  await store.jobs.enqueue([child(parent)]);
  const late = () => [parent, other].map(({ id }) => store.flows.isFollowedLate(id));
  expect(late()).toEqual([true, true]);
  await store.flows.step(10);
  expect(late()).toEqual([true, false]);
  await store.jobs.settle([settle(held, failed(), { now: env.now(), random: 0.5 })]);
  await store.flows.step(10);
  expect(late()).toEqual([false, false]);
  await close();
});

test("a schedule whose ledger contradicts it holds up nobody else", async () => {
  const { db, env, store, close } = await openSqlite();
  const [broken, well] = [newSchedule(env), newSchedule(env)];
  for (const schedule of [broken, well]) await store.schedules.create(schedule);
  const occurrence = env.now() + 60_000;
  db.run(
    "INSERT INTO occurrence VALUES (?, ?, '', 'paused', NULL, NULL, ?, 1, 0, 0, 0, 1, 'from a backup that was mixed in', NULL)",
    [broken.id, occurrence, occurrence],
  );
  await env.advance(60_000);
  const fired = await store.schedules.fire({ nodeId: store.nodes.id, limit: 100 });
  expect(fired).toMatchObject({
    settled: 1,
    jobs: [{ scheduleId: well.id }],
    broken: [{ scheduleId: broken.id }],
  });
  expect(await store.jobs.list({ scheduleId: broken.id }, {})).toMatchObject({ items: [] });
  await close();
});

test("a run whose schedule cannot be read ends all the same, and so do its neighbours", async () => {
  const { db, env, store, close } = await openSqlite();
  const policy = { ...POLICY_DEFAULT, maxAttempts: 1 };
  for (let made = 0; made < 3; made++) await store.schedules.create(newSchedule(env, { policy }));
  await env.advance(60_000);
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
  const jobs = await store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 10 }] });
  const [, broken] = jobs;
  db.run("UPDATE schedule SET policy = '{' WHERE id = ?", [broken?.scheduleId ?? ""]);
  const ends = jobs.map((job) => settle(job, failed({ permanent: true }), { now: env.now(), random: 0 }));
  expect(await store.jobs.settle(ends)).toEqual([true, true, true]);
  expect(await store.jobs.counts()).toMatchObject({ failed: 3, running: 0 });
  expect(db.query("SELECT SUM(failures) AS failures FROM schedule").get()).toEqual({ failures: 2 });
  const { items } = await store.events.list({ kind: "job.broken" }, {});
  expect(items).toMatchObject([{ subject: broken?.id }]);
  await close();
});

test("a job whose history a hand has broken ends all the same, is taken over from a dead host, and holds up nobody", async () => {
  const { db, env, store, close } = await openSqlite();
  await store.jobs.enqueue([newJob(env, {}), newJob(env, {})]);
  const claim = () => store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 10 }] });
  await claim();
  db.run("UPDATE job SET history = '{'");
  expect(await store.jobs.recover("BT_y")).toHaveLength(2);
  const [broken, whole] = await claim();
  db.run("UPDATE job SET history = '{' WHERE id = ?", [broken?.id ?? ""]);
  const ends = [broken, whole].flatMap((job) =>
    job ? [settle(job, failed({ permanent: true }), { now: env.now(), random: 0 })] : [],
  );
  expect(await store.jobs.settle(ends)).toEqual([true, true]);
  expect((await store.jobs.get(broken?.id ?? ""))?.history).toMatchObject([{ kind: "Error" }]);
  expect((await store.jobs.get(whole?.id ?? ""))?.history).toMatchObject([
    { kind: "interrupted" },
    { kind: "Error" },
  ]);
  await close();
});

test("a job that a hand has made unreadable fails when it is claimed, and its neighbours run", async () => {
  const { db, env, store, close } = await openSqlite();
  const jobs = Array.from({ length: 3 }, () => newJob(env, { concurrencyKey: "acme" }));
  await store.jobs.enqueue([...jobs, newJob(env, {})]);
  const [broken, next] = jobs.map(({ id }) => id);
  db.run("UPDATE job SET retry = '{' WHERE id = ?", [broken ?? ""]);
  const claim = async () => {
    const claimed = await store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 10 }] });
    return claimed.map(({ id }) => id);
  };
  expect(await claim()).toHaveLength(1);
  expect(await claim()).toEqual([next ?? ""]); // It has the place of the broken one.
  expect(await store.jobs.get(broken ?? "")).toMatchObject({ state: "failed", error: { kind: "broken" } });
  expect(await store.events.list({ kind: "job.broken" }, {})).toMatchObject({ items: [{ subject: broken }] });
  await close();
});

test("a job that a hand takes out of the database leaves its place to the next one of its key", async () => {
  const { db, env, store, close } = await openSqlite();
  const jobs = Array.from({ length: 3 }, () => newJob(env, { concurrencyKey: "acme" }));
  await store.jobs.enqueue(jobs);
  const [first, second] = jobs.map(({ id }) => id);
  const crowded = async () => (await store.jobs.queuedLanes()).map((lane) => lane.crowded);
  expect(await crowded()).toEqual([2]);
  db.run("DELETE FROM job WHERE id = ?", [first ?? ""]);
  expect(await crowded()).toEqual([1]);
  const claimed = await store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 10 }] });
  expect(claimed.map(({ id }) => id)).toEqual([second ?? ""]);
  await close();
});

jobSuite("sqlite", open);
attemptSuite("sqlite", open);
bulkSuite("sqlite", open);
claimSuite("sqlite", open);
flowSuite("sqlite", open);
grantSuite("sqlite", open);
quotaSuite("sqlite", open);
pluginSuite("sqlite", open);
storageSuite("sqlite", open);
jobPruningSuite("sqlite", open);
ledgerSuite("sqlite", open);
definitionSuite("sqlite", open);
limitSuite("sqlite", open);
budgetSuite("sqlite", open);
policySuite("sqlite", open);
scheduleSuite("sqlite", open);
declarationSuite("sqlite", open);
lockSuite("sqlite", open);
lockedScheduleSuite("sqlite", open);
applySuite("sqlite", open);
blackoutSuite("sqlite", open);
backfillSuite("sqlite", open);
attestationSuite("sqlite", open);
eventSuite("sqlite", open);
objectiveSuite("sqlite", open);
webhookSuite("sqlite", open);
watcherSuite("sqlite", open);
