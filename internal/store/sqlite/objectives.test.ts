/** A hand in the database leaves nothing behind that the judge would look at for ever. */
import type { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../../base/fake-env.ts";
import { POLICY_DEFAULT } from "../../schedule/schedule.ts";
import { newSchedule } from "../storetest/fixture.ts";
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

/** Two runs whose time is over, of two schedules. */
async function twoLate(): Promise<string[]> {
  const policy = { ...POLICY_DEFAULT, mustStartWithinMs: 1_000 };
  const ids = ["a", "b"].map(async (name) => {
    const made = await store.schedules.create(newSchedule(env, { name, policy }));
    if ("refused" in made) throw new Error(made.refused);
    return made.id;
  });
  await env.advance(MINUTE);
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
  await env.advance(MINUTE / 2);
  return Promise.all(ids);
}

async function judge(): Promise<string[]> {
  const due = await store.objectives.due(store.nodes.id, 10);
  await store.objectives.judge(due.map((run) => ({ ...run, waiting: null })));
  const missed = await store.objectives.missed({ limit: 10 });
  return missed.map(({ scheduleId }) => scheduleId);
}

test.each([
  ["its row in the ledger is gone", (id: string) => `DELETE FROM occurrence WHERE schedule_id = '${id}'`],
  ["its policy cannot be read", (id: string) => `UPDATE schedule SET policy = '{' WHERE id = '${id}'`],
])("a run that nobody can judge, because %s, is forgotten, and the others are judged", async (_, damage) => {
  const [broken = "", sound = ""] = await twoLate();
  db.run(damage(broken));
  expect(await judge()).toEqual([sound]);
  expect(await store.objectives.nextDueAt(store.nodes.id)).toBeNull();
});
