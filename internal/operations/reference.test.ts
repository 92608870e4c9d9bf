/** Who is meant by a name that looks like something else. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { newId, shortId } from "../base/id.ts";
import { silentLog } from "../base/log.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import type { Context } from "./operation.ts";
import { resolveSchedule } from "./reference.ts";
import { callOperation } from "./run.ts";

let env: FakeEnv;
let store: SqliteStore;
let context: Context;

beforeEach(() => {
  env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const principal = { kind: "operator", name: "operator" } as const;
  context = { env, log: silentLog, store, principal, host: null, home: "/nowhere" };
});
afterEach(() => store.close());

async function create(name: string, plugin?: string): Promise<Schedule> {
  const owner = plugin ? ({ kind: "plugin", name: plugin } as const) : undefined;
  const made = await store.schedules.create(newSchedule(env, { name, ...(owner && { owner }) }));
  if ("refused" in made) throw new Error(made.refused);
  return made;
}

test("a plugin that names its schedule like the end of another's id is not meant by it", async () => {
  const mine = await create("report");
  const theirs = await create(shortId(mine.id), "thief");
  await expect(resolveSchedule(context, shortId(mine.id))).rejects.toThrow(
    new RegExp(`could be several schedules:\\n${theirs.id} .*of plugin thief.*\\n${mine.id}$`),
  );
  expect((await resolveSchedule(context, "report")).id).toBe(mine.id);
});

test("a name of eight letters is that of its schedule", async () => {
  const mine = await create("REPORTER");
  expect((await resolveSchedule(context, "REPORTER")).id).toBe(mine.id);
});

test("an id is no name", async () => {
  const input = { name: newId(env, "SC"), handler: "a.b", every: "1m" };
  await expect(callOperation(context, "schedule.create", input)).rejects.toThrow(/^name: .* is an id/);
});
