/** What is said of plugins that are given up on, on a real store. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import type { PluginState, PluginStatus } from "../plugin/plugin.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { PluginEvents } from "./plugin-events.ts";

let store: SqliteStore;
beforeEach(() => {
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(new FakeEnv(), { db, logPath: ":memory:", tzdata: "test" });
});
afterEach(() => store.close());

type Step = { gaveUp: string } | { state: PluginState } | { host: "again" };

test.each([
  // what happens                                                             what is said
  [[{ state: "starting" }, { state: "ready" }], []],
  [[{ gaveUp: "no disk" }], ["plugin.failed"]],
  [
    [{ gaveUp: "no disk" }, { state: "ready" }, { state: "ready" }],
    ["plugin.failed", "plugin.recovered"],
  ],
  [[{ gaveUp: "no disk" }, { host: "again" }, { gaveUp: "no disk" }], ["plugin.failed"]],
  [
    [{ gaveUp: "no disk" }, { gaveUp: "no port" }],
    ["plugin.failed", "plugin.failed"],
  ],
  [
    [{ gaveUp: "no disk" }, { host: "again" }, { state: "ready" }],
    ["plugin.failed", "plugin.recovered"],
  ],
] as [Step[], string[]][])("after %j", async (steps, expected) => {
  let events = new PluginEvents(silentLog, store.events);
  for (const step of steps) {
    await events.settled();
    if ("gaveUp" in step) events.gaveUp("echo", step.gaveUp);
    if ("state" in step) events.changed({ name: "echo", state: step.state } as PluginStatus);
    if ("host" in step) events = new PluginEvents(silentLog, store.events);
  }
  await events.settled();
  const { items } = await store.events.list({ after: 0, subject: "echo" }, {});
  expect(items.map(({ kind }) => String(kind))).toEqual(expected);
});
