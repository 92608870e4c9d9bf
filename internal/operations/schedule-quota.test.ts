/** What a plugin's quota says of its schedules, by every way to make or change one. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Principal } from "../access/principal.ts";
import { type Quota, type ScheduleQuota, usualQuota } from "../access/quota.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import type { Declaration } from "./declare.ts";
import { declareOfPlugin } from "./declare-plugin.ts";

import { Folder, OPERATOR, pluginPrincipal } from "./fixture.ts";

let folder: Folder;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ store } = folder);
});
afterEach(() => store.close());

const plugin = (quota: Partial<Quota> = {}) =>
  pluginPrincipal({ plugin: "demo", tenant: "acme", quota: { ...usualQuota("guest"), ...quota } });
const ask = (name: string, input: object, principal: Principal = plugin()) =>
  folder.call<{ id: string }>(name, input, principal);

const tooOften = (used: number) => ({
  code: "exhausted",
  limit: { name: "scheduleInterval", allows: 300_000, used },
});

test.each([
  // when, two occurrences so far apart
  [{ cron: "* * * * *" }, 60_000],
  [{ cron: "0-59 * * * *" }, 60_000],
  [{ cron: "*/1 9-17 * * *" }, 60_000],
  [{ cron: ["0 * * * *", "4 * * * *"] }, 240_000],
  [{ cron: "*/7 * * * *" }, 240_000],
  [{ every: "299s" }, 299_000],
  [{ at: ["2031-01-01T00:00:00Z", "2031-01-01T00:04:59Z"] }, 299_000],
  [{ cron: ["30 2 * * *", "3 3 * * *"], timezone: "Europe/Berlin" }, 180_000],
])("%p is too often for a guest, made or changed, and not for people", async (when, used) => {
  await expect(ask("schedule.create", { handler: "demo.work", ...when })).rejects.toMatchObject({
    ...tooOften(used),
    fields: [{ field: Object.keys(when)[0] }],
  });
  const { id } = await ask("schedule.create", { handler: "demo.work", every: "1h" });
  await expect(ask("schedule.update", { id, ...when })).rejects.toMatchObject(tooOften(used));
  await ask("schedule.update", { id, ...when }, OPERATOR);
  await ask("schedule.update", { id, description: "When it fires stays, and is not asked for." });
  await ask("schedule.create", { handler: "demo.work", ...when }, plugin({ scheduleInterval: 1_000 }));
});

test("what is done in the hour that comes twice may make it too often", async () => {
  const cron = ["59 2 * * *", "0 2 * * *"];
  const { id } = await ask("schedule.create", { handler: "demo.work", cron, timezone: "Europe/Berlin" });
  await expect(ask("schedule.update", { id, dstFold: "both" })).rejects.toMatchObject(tooOften(60_000));
});

test("a zone alone may make it too often", async () => {
  const cron = ["30 2 * * *", "3 3 * * *"];
  const { id } = await ask("schedule.create", { handler: "demo.work", cron });
  const moved = ask("schedule.update", { id, timezone: "Europe/Berlin" });
  await expect(moved).rejects.toMatchObject(tooOften(180_000));
});

test("an upsert is a change, and is counted as one; what is left as it is does not count", async () => {
  const upsert = (more: object) =>
    ask("schedule.create", { name: "n", handler: "demo.work", every: "1h", ...more });
  const one = { schedules: 1, scheduleWritesPerMinute: 3 };
  const mine = plugin(one);
  const wanted = { name: "n", handler: "demo.work", every: "1h" };
  for (const more of [{}, { upsert: true }, { upsert: true, paused: true }])
    await ask("schedule.create", { ...wanted, ...more }, mine);
  await ask("schedule.create", { ...wanted, ifNotExists: true }, mine);
  await expect(ask("schedule.create", { ...wanted, upsert: true }, mine)).rejects.toMatchObject({
    limit: { name: "scheduleWritesPerMinute", allows: 3, used: 3 },
  });
  await upsert({ upsert: true });
});

test("a payload is measured in bytes", async () => {
  const create = (payload: unknown) => ask("schedule.create", { handler: "demo.work", every: "1h", payload });
  const refused = {
    code: "exhausted",
    fields: [{ field: "payload" }],
    limit: { name: "schedulePayloadBytes", allows: 100_000, used: 100_001 },
  };
  await expect(create(new Uint8Array(100_001))).rejects.toMatchObject(refused);
  await expect(create(`x${"ü".repeat(49_999)}`)).rejects.toMatchObject(refused);
  const { id } = await create(new Uint8Array(100_000));
  await expect(ask("schedule.update", { id, payload: new Uint8Array(100_001) })).rejects.toMatchObject(
    refused,
  );
});

test("what is declared is held to the same, and the refusal is in the trail", async () => {
  const declaration = (id: string, change: Partial<Declaration> = {}): Declaration => ({
    id,
    description: "",
    handler: "demo.work",
    when: "1h",
    timezone: "",
    jitterMs: 0,
    missed: "",
    locking: "",
    payload: {},
    paused: false,
    priority: 0,
    timeoutMs: 0,
    mustStartWithinMs: 0,
    mustSucceedWithinMs: 0,
    ...change,
  });
  const declare = (schedules: Declaration[]) =>
    declareOfPlugin(folder.context(plugin()), "demo", {
      schedules,
      handlers: [{ name: "demo.work" }],
      endpoints: [],
      watchers: [],
    });
  await expect(declare([declaration("a", { when: "* * * * *" })])).rejects.toThrow(
    'Schedule "a" ("* * * * *"): cron: Plugin demo may not schedule more often than every 5m;',
  );
  const fifty = Array.from({ length: 50 }, (_, i) => declaration(`d${i}`));
  await expect(declare([...fifty, declaration("one-more")])).rejects.toMatchObject({
    limit: { name: "schedules", allows: 50, used: 51 },
  });
  await declare(fifty);
  await expect(ask("schedule.create", { handler: "demo.work", every: "1h" })).rejects.toMatchObject({
    message: "Plugin demo has 50 schedules and may have 50.",
    hint: "Delete one that is not needed. The limit is schedules under [quota.demo] in qntx.toml.",
  });
  const { items } = await store.audit.list({});
  expect(items).toMatchObject([
    { principal: "plugin:demo", operation: "schedule.create", allowed: false },
    { principal: "plugin:demo", operation: "schedule.create", allowed: false },
    { principal: "plugin:demo", operation: "schedule.create", allowed: false },
  ]);
});

test("people are told their own limits, by a document too, and where those stand", async () => {
  const people = (quota: ScheduleQuota): Principal => ({ kind: "operator", name: "operator", quota });
  const two = people({ schedules: 2, scheduleWritesPerMinute: 3 });
  const one = { handler: "demo.work", every: "1s" };
  await ask("schedule.create", one, two);
  const document =
    "schedules:\n  - { name: a, handler: h, every: 1h }\n  - { name: b, handler: h, every: 1h }\n";
  await expect(ask("schedule.apply", { document }, two)).rejects.toMatchObject({
    code: "exhausted",
    message: "People would have 3 schedules and may have 2.",
    hint: "Delete one that is not needed. The limit is schedules under [people] in qntx.toml.",
    limit: { name: "schedules", allows: 2, used: 3 },
  });
  const { id } = await ask("schedule.create", one, two);
  await expect(ask("schedule.create", one, two)).rejects.toMatchObject({ code: "exhausted" });
  await ask("schedule.delete", { id }, two);
  await expect(ask("schedule.create", one, two)).rejects.toMatchObject({
    message: "People have changed schedules 3 times within a minute and may do so 3 times.",
    hint: "Try again in 1m. The limit is schedule_writes_per_minute under [people] in qntx.toml.",
    retryAfterMs: 60_000,
  });
  await ask("schedule.create", one, OPERATOR);
});
