/** Group commit: who is answered what, when a write, a commit or the lock is refused. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeEnv } from "../../base/fake-env.ts";
import { Fault } from "../../base/fault.ts";
import { GroupCommit } from "./group.ts";

let home: string;
let db: Database;
let group: GroupCommit;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "qntx-group-"));
  db = new Database(join(home, "test.db"), { strict: true });
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA foreign_keys = ON");
  db.run(
    "CREATE TABLE thing (id INTEGER PRIMARY KEY, parent REFERENCES thing (id) DEFERRABLE INITIALLY DEFERRED)",
  );
  group = new GroupCommit(new FakeEnv(), db);
});
afterEach(() => {
  db.close();
  rmSync(home, { recursive: true });
});

const add = (id: number, parent: number | null = null) =>
  group.write(() => void db.run("INSERT INTO thing VALUES (?, ?)", [id, parent]));
const ids = () =>
  db
    .query<{ id: number }, []>("SELECT id FROM thing ORDER BY id")
    .all()
    .map(({ id }) => id);
const endings = async (...writes: Promise<unknown>[]) =>
  (await Promise.allSettled(writes)).map(({ status }) => status);

test("a commit that fails, fails everybody in it, and nobody after", async () => {
  expect(await endings(add(1), add(2, 99), add(3))).toEqual(["rejected", "rejected", "rejected"]);
  expect(ids()).toEqual([]);
  expect(await endings(add(4))).toEqual(["fulfilled"]);
  expect(ids()).toEqual([4]);
});

test("a write that fails, fails alone; also as the only one", async () => {
  expect(await endings(add(1), add(1), add(2))).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await endings(add(1))).toEqual(["rejected"]);
  expect(await endings(add(3))).toEqual(["fulfilled"]);
  expect(ids()).toEqual([1, 2, 3]);
});

test("a database that another program has locked is said in a sentence, and used again afterwards", async () => {
  const other = new Database(join(home, "test.db"));
  other.run("BEGIN IMMEDIATE");
  const refused = await add(1).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Fault);
  expect(refused).toMatchObject({ code: "unreachable" });
  other.run("ROLLBACK");
  expect(await endings(add(1))).toEqual(["fulfilled"]);
  other.close();
});

test("what waits at the close is written, and what comes later is refused", async () => {
  const last = add(1);
  group.close();
  expect(await endings(last, add(2))).toEqual(["fulfilled", "rejected"]);
  expect(ids()).toEqual([1]);
});

test("a write runs again, and is told, when another one in its group failed", async () => {
  const runs: [number, boolean][] = [];
  const seen = (id: number) =>
    group.write((careful) => {
      runs.push([id, careful]);
      db.run("INSERT INTO thing VALUES (?, NULL)", [id]);
    });
  expect(await endings(seen(1), seen(2), seen(2))).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(runs).toEqual([
    [1, false],
    [2, false],
    [2, false],
    [1, true],
    [2, true],
    [2, true],
  ]);
  expect(ids()).toEqual([1, 2]);
});

test("a flood of writes is cut into groups, and the loop turns between them", async () => {
  const turns: (() => void)[] = [];
  let spentMs = 0;
  class SlowEnv extends FakeEnv {
    override mono = () => spentMs;
    override soon = (work: () => void) => void turns.push(work);
  }
  const slow = new GroupCommit(new SlowEnv(), db);
  const writes = [1, 2, 3, 4, 5].map((id) =>
    slow.write(() => {
      spentMs += 6;
      db.run("INSERT INTO thing VALUES (?, NULL)", [id]);
    }),
  );
  const written: number[] = [];
  for (let turn = turns.shift(); turn; turn = turns.shift()) {
    turn();
    written.push(ids().length);
  }
  expect(written).toEqual([2, 4, 5]);
  expect(await endings(...writes)).toEqual(Array(5).fill("fulfilled"));
});
