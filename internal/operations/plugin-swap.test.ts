/** Which schedules a new version of a plugin leaves without a handler. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import type { Host } from "./operation.ts";
import { lostSchedules, refuseLost } from "./plugin-swap.ts";

test("what a plugin declared itself is no reason to refuse its new version, which declares it anew; all else is", async () => {
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const env = new FakeEnv();
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const host = { plugins: { offers: () => ({ plugin: "demo", live: true }) } } as unknown as Host;
  const target = { kind: "handler", handler: "demo.old" } as const;
  const demo = { kind: "plugin", name: "demo" } as const;
  await store.schedules.declare(demo, [newSchedule(env, { target, owner: demo, declaredId: "nightly" })]);
  await store.schedules.create(newSchedule(env, { target, owner: demo, name: "made-at-run-time" }));
  await store.schedules.create(newSchedule(env, { target, name: "of-a-person" }));
  const next = { name: "demo", tenant: "", handlers: [{ name: "demo.new" }], endpoints: [] };
  const lost = await lostSchedules({ store, host }, next);
  expect(lost.map(({ name }) => name).toSorted()).toEqual(["made-at-run-time", "of-a-person"]);
  expect(() => refuseLost("demo", lost)).toThrow("lacks what schedules run");
  expect(await lostSchedules({ store, host }, { ...next, handlers: [{ name: "demo.old" }] })).toEqual([]);
  await store.close();
});
