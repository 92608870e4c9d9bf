/** What people see of the storage of plugins, and what they delete from it. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { usualQuota } from "../access/quota.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { Folder, pluginPrincipal, refusal } from "./fixture.ts";

let folder: Folder;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ store } = folder);
});
afterEach(() => store.close());

const keep = (key: string, value: string, { plugin = "demo", tenant = "acme", ttlMs = 0 } = {}) =>
  store.storage.set(
    { plugin, tenant, quota: usualQuota("guest") },
    { key, value: Buffer.from(value), ...(ttlMs > 0 && { ttlMs }) },
  );
const ask = (verb: "List" | "Get" | "Delete", input: object) =>
  folder.call<Record<string, unknown>>(`plugin.storage${verb}`, { name: "demo", ...input });

test("keys are listed, read and deleted, also of a plugin that was removed; the trail says which went", async () => {
  await keep("seen/1", '{"n":1}', { ttlMs: 60_000 });
  await keep("seen/2", "plain text");
  await keep("other", "x");
  await keep("seen/3", "of another", { plugin: "other" });
  const room = { plugin: "demo", tenant: "acme" };
  const first = { key: "seen/1", version: 1, size: 7, expiresAt: "2026-01-01T00:01:00.000Z" };
  const second = { key: "seen/2", version: 2, size: 10, expiresAt: null };
  expect(await ask("List", { prefix: "seen/" })).toEqual({ ...room, keys: [first, second], cursor: null });
  expect(await ask("List", { limit: 1 })).toMatchObject({ keys: [{ key: "other" }], cursor: "other" });
  expect(await ask("Get", { key: "seen/1" })).toEqual({ ...room, ...first, value: { n: 1 } });
  expect(await ask("Get", { key: "seen/2" })).toMatchObject({ value: "plain text" });
  expect(await ask("Delete", { key: "seen/2" })).toEqual({ ...room, key: "seen/2" });
  for (const verb of ["Get", "Delete"] as const)
    expect(await refusal(ask(verb, { key: "seen/2" }))).toMatchObject({
      code: "not-found",
      message: 'Plugin demo stores nothing under "seen/2".',
      hint: "qntx plugin storage list demo shows its keys.",
    });
  const { items } = await store.audit.list({ limit: 10 });
  expect(items).toMatchObject([{ operation: "plugin.storageDelete", subject: "demo seen/2", allowed: true }]);
});

test("of several tenants, somebody has to say which", async () => {
  await keep("k", "1");
  await keep("k", "2", { tenant: "" });
  const fault = await refusal(ask("Get", { key: "k" }));
  expect(fault.message).toBe(
    'tenant: is missing: plugins demo of several tenants have stored values: "" (none), acme.',
  );
  expect(fault.fields).toMatchObject([{ field: "tenant" }]);
  expect(await ask("Get", { key: "k", tenant: "" })).toMatchObject({ value: 2 });
  await ask("Delete", { key: "k", tenant: "" });
  expect(await ask("Get", { key: "k" })).toMatchObject({ tenant: "acme", value: 1 }); // Only one has any now.
});

test("a plugin that is not there is not found, and one that stores nothing has an empty room", async () => {
  await keep("k", "1");
  expect(await refusal(ask("List", { name: "dem" }))).toMatchObject({
    code: "not-found",
    message: 'There is no plugin "dem", and nothing that it stored.',
    hint: "Did you mean demo?",
  });
  const by = "operator";
  const program = { digest: "abc", kind: "executable", entry: "e", file: "f" } as const;
  await store.plugins.install({ name: "quiet", tenant: "globex", ...program, by });
  expect(await ask("List", { name: "quiet" })).toEqual({
    plugin: "quiet",
    tenant: "globex",
    keys: [],
    cursor: null,
  });
});

test("plugins may not ask, not even for their own", async () => {
  const asked = folder.call("plugin.storageList", { name: "p" }, pluginPrincipal());
  expect((await refusal(asked)).code).toBe("denied");
});
