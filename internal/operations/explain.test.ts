/** One sentence for every kind of run and of non-run. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { formatInstant } from "../base/instant.ts";
import { silentLog } from "../base/log.ts";
import { settle } from "../job/outcome.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Context } from "./operation.ts";
import { callOperation } from "./run.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;
let env: FakeEnv;
let db: Database;
let store: SqliteStore;
let start: number;

beforeEach(() => {
  env = new FakeEnv();
  start = env.now();
  db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
});
afterEach(() => store.close());

const call = async <T>(name: string, input: object): Promise<T> => {
  const principal = { kind: "operator", name: "operator" } as const;
  const context: Context = { env, log: silentLog, store, principal, host: null, home: "/nowhere" };
  return (await callOperation(context, name, input)) as T;
};
const create = (input: object = {}) =>
  call("schedule.create", { name: "s", handler: "a.b", every: "1m", ...input });
const explain = async (minutes: number) => {
  const at = formatInstant(start + minutes * MINUTE);
  return (await call<{ sentence: string }>("schedule.explain", { id: "s", at })).sentence;
};
const tick = async (ms: number) => {
  await env.advance(ms);
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
};
const finish = async (ok: boolean) => {
  const [job] = await store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "a.b", limit: 1 }] });
  if (!job) throw new Error("no job was claimed");
  await env.advance(2_000);
  const failure = {
    kind: "failed",
    message: "no paper.",
    errorKind: "Error",
    permanent: true,
    retryAfterMs: 0,
    cost: 0,
  } as const;
  const outcome = ok ? ({ kind: "completed", result: null, cost: 0 } as const) : failure;
  await store.jobs.settle([settle(job, outcome, { now: env.now(), random: 0 })]);
};

test("a run that completed, one that failed, and one that waits", async () => {
  await create();
  await tick(MINUTE);
  expect(await explain(1)).toMatch(/^It fired on time; job JB_\w+ is queued: no host is running\.$/);
  await finish(true);
  expect(await explain(1)).toMatch(/^It fired on time; job JB_\w+ completed after 2s\.$/);
  await tick(MINUTE - 2_000);
  await finish(false);
  expect(await explain(2)).toMatch(/job JB_\w+ failed after 2s: no paper\.$/);
});

test("an overlap, a long outage, a pause and a blackout", async () => {
  await create({
    blackouts: [
      { from: formatInstant(start + 10 * MINUTE), to: formatInstant(start + 12 * MINUTE), note: "feast" },
    ],
  });
  await tick(MINUTE);
  await tick(MINUTE);
  expect(await explain(2)).toMatch(
    /^It did not run, because the run before it had not ended \(overlap: skip\): job JB_\w+, which is queued now: no host is running\.$/,
  );
  await finish(true);
  await call("schedule.pause", { id: "s", note: "lunch" });
  await env.advance(5 * MINUTE);
  expect(await explain(4)).toBe(
    "The schedule is paused: lunch. What lies in the pause is recorded when it ends.",
  );
  await call("schedule.resume", { id: "s" });
  expect(await explain(4)).toMatch(
    /^The schedule was paused: lunch \(by person:operator\)\. So it was with all 5 occurrences/,
  );
  await tick(HOUR);
  expect(await explain(10)).toBe(
    "It lay in a blackout: feast. So it was with all 2 occurrences from 2026-01-01T00:10:00.000Z to 2026-01-01T00:11:00.000Z.",
  );
  expect(await explain(30.5)).toMatch(
    /^That instant was no occurrence of the schedule; the next one after it/,
  );
  expect(await explain(30)).toMatch(
    /^It was missed; one run stands for all that were missed \(missed: latest\): job JB_/,
  );
});

test("what is not recorded: before it was made, to come, no occurrence, due without a host, deleted", async () => {
  await create();
  expect(await explain(-5)).toMatch(/^The schedule was made at 2026-01-01T00:00:00\.000Z; before that/);
  expect(await explain(5)).toBe("It is still to come.");
  expect(await explain(5.5)).toBe(
    "That instant is no occurrence of the schedule; the next one after it is at 2026-01-01T00:06:00.000Z.",
  );
  await env.advance(MINUTE);
  expect(await explain(1)).toMatch(/^It is due, and no host is running/);
  await call("schedule.delete", { id: "s" });
  const { schedules } = await call<{ schedules: { id: string }[] }>("schedule.list", { deleted: true });
  const gone = await call<{ sentence: string }>("schedule.explain", {
    id: schedules[0]?.id,
    at: formatInstant(start + HOUR),
  });
  expect(gone.sentence).toBe("The schedule is deleted; there is no occurrence at that instant.");
});

test("what lies behind: no occurrence then, one of an old definition, one that is too old to be kept", async () => {
  await create();
  for (let i = 0; i < 3; i++) await tick(MINUTE);
  await call("schedule.update", { id: "s", every: "1h" });
  expect(await explain(1.5)).toBe(
    "That instant was no occurrence of the schedule; the next one after it was at 2026-01-01T00:02:00.000Z.",
  );
  expect(await explain(2)).toMatch(/^It did not run, because the run before it had not ended/);
  await store.ledger.prune({ before: start + HOUR });
  expect(await explain(2)).toBe(
    "It was planned; what became of it was removed, as is everything from before 2026-01-01T01:00:00.000Z.",
  );
});

test("what lies behind, of a definition that is no longer kept", async () => {
  await create();
  for (let i = 0; i < 3; i++) await tick(MINUTE);
  await call("schedule.update", { id: "s", every: "1h" });
  db.run("DELETE FROM schedule_revision WHERE revision = 1");
  expect(await explain(1)).toMatch(/^It fired on time/);
  expect(await explain(1.5)).toBe(
    "What was planned then is no longer known: the schedule has been changed very often since.",
  );
  await store.ledger.prune({ before: start + HOUR });
  expect(await explain(2)).toBe(
    "What was planned then was removed, as is everything from before 2026-01-01T01:00:00.000Z.",
  );
});

test("an instant that was backfilled says both: what became of it, and what the backfill did", async () => {
  await create();
  await tick(MINUTE);
  await tick(MINUTE);
  await env.advance(1);
  const from = formatInstant(start);
  expect(await call<{ made: number }>("schedule.backfill", { id: "s", from, missing: true })).toMatchObject({
    made: 1,
    ranByPlan: 1,
  });
  expect(await explain(2)).toMatch(
    /^It did not run, because the run before it had not ended .* A backfill runs it: job JB_\w+ is queued: no host is running\.$/,
  );
  expect(await explain(1)).not.toContain("backfill");
  await call("schedule.delete", { id: "s" });
  expect((await store.jobs.counts()).cancelled).toBe(1);
});

test("without an instant it is the occurrence that was decided last, however long ago", async () => {
  await create({ every: "30d" });
  const last = async () => (await call<{ sentence: string }>("schedule.explain", { id: "s" })).sentence;
  expect(await last()).toBe("Nothing is recorded of it yet. It runs next at 2026-01-31T00:00:00.000Z.");
  await tick(30 * 24 * HOUR);
  await env.advance(10 * 24 * HOUR);
  expect(await last()).toMatch(/^It fired on time; job JB_/);
  await call("schedule.pause", { id: "s" });
  expect(await last()).toMatch(/^It fired on time; job JB_/);
});

test("one that has paused itself is wrong until somebody resumes it; one that a person paused is not", async () => {
  const schedules = async () =>
    (await call<{ checks: { check: string; ok: boolean; detail: string }[] }>("host.doctor", {})).checks.find(
      ({ check }) => check === "schedules",
    );
  await create({ pauseAfterFailures: 1 });
  await call("schedule.create", { name: "idle", handler: "a.b", every: "1m", paused: true });
  expect(await schedules()).toMatchObject({ ok: true });
  await tick(MINUTE);
  await finish(false);
  expect(await schedules()).toMatchObject({
    ok: false,
    detail: expect.stringMatching(
      /^s is paused since .*: .*failed\. Once that is mended: qntx schedule resume SC_\w+\.$/,
    ),
  });
  await call("schedule.resume", { id: "s" });
  expect(await schedules()).toMatchObject({ ok: true });
});

test("without an instant it is what is due, where nobody decides it: a pause, a blackout, no host", async () => {
  const last = () => call<{ at: string | null; sentence: string }>("schedule.explain", { id: "s" });
  const to = formatInstant(start + HOUR);
  await create({ blackouts: [{ from: formatInstant(start + 10 * MINUTE), to, note: "feast" }] });
  expect((await last()).at).toBeNull();
  await tick(MINUTE);
  await env.advance(5 * MINUTE);
  expect(await last()).toMatchObject({
    at: "2026-01-01T00:06:00.000Z",
    sentence: expect.stringMatching(/^It is due, and no host is running/),
  });
  await tick(5 * MINUTE);
  await env.advance(HOUR / 2);
  expect(await last()).toMatchObject({
    at: "2026-01-01T00:41:00.000Z",
    sentence: `It lies in a blackout: feast. That ends at ${to}, and is recorded then.`,
  });
  await call("schedule.pause", { id: "s", note: "The printer is broken." });
  expect((await last()).sentence).toMatch(
    /^It lay in a blackout: .* It is paused now: The printer is broken\.$/,
  );
  await env.advance(MINUTE);
  expect((await last()).sentence).toBe(
    "The schedule is paused: The printer is broken. What lies in the pause is recorded when it ends.",
  );
});

test("without an instant it is the occurrence that was decided last", async () => {
  await create();
  for (let i = 0; i < 3; i++) await tick(MINUTE);
  expect(await call<{ at: string }>("schedule.explain", { id: "s" })).toMatchObject({
    at: "2026-01-01T00:03:00.000Z",
  });
});
