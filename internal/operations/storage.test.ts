/** Storage and context as plugins meet them: what is refused, in which words, and what they are told of themselves. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type Capability, usualCapabilities } from "../access/capability.ts";
import { type Quota, usualQuota } from "../access/quota.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { Folder, OPERATOR, pluginPrincipal, refusal } from "./fixture.ts";
import type { Host } from "./operation.ts";
import { callOperation } from "./run.ts";

let folder: Folder;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ store } = folder);
});
afterEach(() => store.close());

const guest = (quota: Partial<Quota> = {}, more: readonly Capability[] = ["cap:storage.kv"]) =>
  pluginPrincipal({
    plugin: "demo",
    tenant: "acme",
    capabilities: new Set([...usualCapabilities("guest"), ...more]),
    quota: { ...usualQuota("guest"), ...quota },
  });
const ask = <T>(name: string, input: object, principal = guest()) => folder.call<T>(name, input, principal);

test("a guest has to be granted it, and is told how", async () => {
  const fault = await refusal(ask("storage.get", { key: "k" }, guest({}, [])));
  expect(fault).toMatchObject({
    code: "denied",
    message: "Plugin demo lacks cap:storage.kv, which storage.get needs.",
    hint: "Grant it with: qntx plugin grant demo cap:storage.kv",
  });
});

test.each([
  ["storage.get", "key: is missing.", { key: "" }],
  ["storage.get", "key: has more than 512 bytes.", { key: "é".repeat(257) }],
  ["storage.get", "key: has control characters, or half of a character.", { key: "a\nb" }],
  ["storage.get", "key: has control characters, or half of a character.", { key: "\ud800" }],
  ["storage.set", "version: must be at least 0.", { key: "k", value: "x", version: -1 }],
  ["storage.set", "ttlMs: must be at least 1.", { key: "k", value: "x", ttlMs: 0 }],
  ["storage.set", "which is ten years.", { key: "k", value: "x", ttlMs: 1e12 }],
  ["storage.set", "value: has 1048577 bytes", { key: "k", value: new Uint8Array(1_048_577) }],
  ["storage.list", "limit: must be at most 1000.", { limit: 1_001 }],
  ["storage.list", "prefix: has more than 512 bytes.", { prefix: "a".repeat(513) }],
])("%s is refused: %s", async (name, sentence, input) => {
  const fault = await refusal(ask(name, input));
  expect(fault.code).toBe("usage");
  expect(fault.message).toContain(sentence);
});

test("what is at another version is left as it is, and said", async () => {
  const { version } = await ask<{ version: number }>("storage.set", { key: "k", value: 1 });
  const again = await refusal(ask("storage.set", { key: "k", value: 2, version: 0 }));
  expect(again).toMatchObject({
    code: "conflict",
    message: `"k" has version ${version}, and was to be new.`,
    hint: "Get it again, and set it with the version that it has now.",
    fields: [],
  });
  const gone = await refusal(ask("storage.set", { key: "other", value: 2, version: 7 }));
  expect(gone.message).toBe('"other" is not there, and was to have version 7.');
  await ask("storage.set", { key: "k", value: 3, version });
});

test("a quota that is used up is said with how much there may be, and written down", async () => {
  const quota = { storageKeys: 1, storageBytes: 10 };
  await ask("storage.set", { key: "k", value: 1 }, guest(quota));
  const keys = await refusal(ask("storage.set", { key: "k2", value: 1 }, guest(quota)));
  expect(keys).toMatchObject({
    code: "exhausted",
    message: "Plugin demo would have 2 stored keys and may have 1.",
    limit: { name: "storageKeys", allows: 1, used: 2 },
  });
  expect(keys.hint).toContain("The limit is storageKeys under [quota.demo] in qntx.toml.");
  const bytes = await refusal(ask("storage.set", { key: "k", value: "123456789" }, guest(quota)));
  expect(bytes.message).toBe("Plugin demo would have 12 bytes stored and may have 10.");
  const { items } = await store.audit.list({ limit: 10 });
  expect(items).toMatchObject([
    { operation: "storage.set", allowed: false, detail: bytes.message },
    { operation: "storage.set", allowed: false, detail: keys.message },
  ]);
});

test("people have no storage and no context, and are told where to look", async () => {
  const fault = await refusal(folder.call("storage.list", {}, OPERATOR));
  expect([fault.code, fault.message]).toEqual(["usage", "Only plugins have a storage."]);
  const host = { version: "9" } as unknown as Host;
  const context = callOperation(folder.context(OPERATOR, host), "plugin.context", {});
  expect((await refusal(context)).message).toContain("people are none");
});

test("a plugin is told who it is, which program it runs, and what it may do now", async () => {
  const host = { version: "9.9" } as unknown as Host;
  const program = { version: "1.2.3", digest: "abc" };
  const told = (principal = guest({}, [])) =>
    callOperation(folder.context(principal, host), "plugin.context", {});
  const who = { plugin: "demo", tenant: "acme", hostVersion: "9.9" };
  const capabilities = usualCapabilities("guest");
  expect(await told({ ...guest({}, []), program })).toEqual({ ...who, ...program, capabilities });
  expect(await told()).toEqual({ ...who, version: "", digest: "", capabilities });
});
