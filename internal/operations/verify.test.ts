/** What verify says of a ledger that is right, and of one that somebody had a hand in. */
import type { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { openDatabase } from "../store/sqlite/open.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Context, Host } from "./operation.ts";
import { callOperation } from "./run.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

interface Verdict {
  ok: boolean;
  dup: number;
  gap: number;
  overdue: number;
  schedules: number;
  occurrences: number;
  wrong: { name: string; findings: { sentence: string }[]; advice: string[] }[];
  cursor: string | null;
}

let env: FakeEnv;
let db: Database;
let store: SqliteStore;
let host: Host | null;
beforeEach(() => {
  env = new FakeEnv();
  db = openDatabase(":memory:");
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  host = null;
});
afterEach(() => store.close());

const call = async <T>(name: string, input: object): Promise<T> => {
  const principal = { kind: "operator", name: "operator" } as const;
  const context: Context = { env, log: silentLog, store, principal, host, home: "/nowhere" };
  return (await callOperation(context, name, input)) as T;
};
const create = (name: string, input: object = {}) =>
  call("schedule.create", { name, handler: "a.b", every: "1m", ...input });
const verify = (input: object = {}) => call<Verdict>("schedule.verify", input);
const tick = async (ms: number) => {
  await env.advance(ms);
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
};

test("a right ledger, page by page", async () => {
  for (const name of ["a", "b", "c"]) await create(name);
  for (let i = 0; i < 4; i++) await tick(MINUTE);
  await call("schedule.delete", { id: "b" });
  expect(await verify({ id: "a" })).toMatchObject({ ok: true, occurrences: 4, schedules: 1, cursor: null });
  const first = await verify({ limit: 2 });
  expect(first).toMatchObject({ ok: true, occurrences: 8, schedules: 2, dup: 0, gap: 0, overdue: 0 });
  expect(await verify({ limit: 2, cursor: first.cursor })).toMatchObject({ schedules: 1, cursor: null });
});

test("what is wrong is named, with its first moments and what to do", async () => {
  await create("lost");
  await create("twice");
  for (let i = 0; i < 4; i++) await tick(MINUTE);
  const of = (name: string) => `schedule_id = (SELECT id FROM schedule WHERE name = '${name}')`;
  db.run(`DELETE FROM occurrence WHERE ${of("lost")} AND outcome = 'skipped-overlap'`);
  db.run(
    `UPDATE occurrence SET occurrence = occurrence + 1, last_occurrence = last_occurrence + 1 WHERE ${of("twice")} AND outcome = 'fired'`,
  );
  const { wrong, ...sums } = await verify();
  expect(sums).toMatchObject({ ok: false, gap: 4, dup: 1, overdue: 0, schedules: 2, occurrences: 8 });
  expect(wrong.map(({ name, findings }) => [name, ...findings.map(({ sentence }) => sentence)])).toEqual([
    ["lost", "2026-01-01T00:02:00.000Z is planned, but not in the ledger, and 2 more behind it."],
    [
      "twice",
      "2026-01-01T00:01:00.000Z is planned, but not in the ledger.",
      "2026-01-01T00:01:00.001Z is in the ledger, but not planned.",
    ],
  ]);
  expect(wrong[0]?.advice).toEqual([expect.stringContaining("qntx schedule backfill SC_")]);
  expect(wrong[1]?.advice).toContainEqual(expect.stringContaining("qntx job list --schedule SC_"));
});

test("what was removed because it was old is not asked for", async () => {
  await create("s");
  for (let i = 0; i < 4; i++) await tick(MINUTE);
  const before = env.now() - MINUTE;
  await store.ledger.prune({ before });
  expect(await verify()).toMatchObject({ ok: true, occurrences: 1 });
});

test("what nobody knows any more is not judged: too many changes since", async () => {
  await create("s");
  for (let i = 0; i < 3; i++) await tick(MINUTE);
  await call("schedule.update", { id: "s", every: "2m" });
  for (let i = 0; i < 4; i++) await tick(MINUTE);
  db.run("DELETE FROM schedule_revision WHERE revision = 1");
  expect(await verify()).toMatchObject({ ok: true, occurrences: 2, gap: 0, dup: 0 });
});

test("a plan that cannot be evaluated is wrong, and says why", async () => {
  await create("s", { every: undefined, cron: "0 * * * *", timezone: "Europe/Berlin" });
  db.run("UPDATE schedule_revision SET timezone = 'Mars/Base'");
  await env.advance(MINUTE);
  expect(await verify()).toMatchObject({
    ok: false,
    wrong: [{ advice: [expect.stringContaining("Mars/Base")] }],
  });
});

test("where the cursor is gone, nothing can be said before it is repaired", async () => {
  await create("s");
  await tick(MINUTE);
  db.run("DELETE FROM schedule_cursor");
  const hint = expect.stringContaining("qntx doctor --repair");
  expect(await verify()).toMatchObject({ ok: false, dup: 0, gap: 0, wrong: [{ advice: [hint] }] });
  await call("host.repair", {});
  expect(await verify()).toMatchObject({ ok: true, wrong: [] });
});

/** A host that has been there for long enough that whatever waits should not wait any more. */
const LONG_RUNNING = {
  clock: { suspicion: null, behind: null, steadyMs: DAY, confirm() {} },
} as unknown as Host;

const WHILE: readonly (readonly [string, Host | null, () => Promise<unknown>, number])[] = [
  // while                                      meanwhile              overdue
  ["nobody is there", null, () => env.advance(0), 0],
  ["a host is there", LONG_RUNNING, () => env.advance(0), 1],
  ["a host is there, and comes by meanwhile", LONG_RUNNING, () => tick(0), 0],
];

test.each(WHILE)(
  "an occurrence that waits beyond its time while %s",
  async (_, there, meanwhile, overdue) => {
    await create("s", { overlap: "buffer-one", maxLateness: "5m", every: "10m" });
    await tick(10 * MINUTE);
    await tick(10 * MINUTE);
    db.run("UPDATE schedule_cursor SET due_at = ?", [env.now() + DAY]);
    await env.advance(9 * MINUTE);
    host = there;
    const verdict = verify();
    await env.advance(1);
    db.run("UPDATE schedule_cursor SET due_at = 0");
    await meanwhile();
    await env.advance(3_000);
    expect(await verdict).toMatchObject({ ok: overdue === 0, overdue, dup: 0, gap: 0 });
  },
);
