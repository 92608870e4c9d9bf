/** Locks and locking hints, as whoever asks meets them: what is taken, what is refused, and what is said of what waits. */
import { afterEach, expect, test } from "bun:test";
import type { Capability } from "../access/capability.ts";
import type { Principal } from "../access/principal.ts";
import { Fault } from "../base/fault.ts";
import type { LocksBy } from "../schedule/lock.ts";
import { Folder, OPERATOR, pluginPrincipal, refusal } from "./fixture.ts";
import type { Host, LockControl } from "./operation.ts";
import { callOperation } from "./run.ts";

const PLUGIN: LocksBy = { plugin: "locks" };

const opened: Folder[] = [];
afterEach(async () => {
  for (const { store } of opened.splice(0)) await store.close();
});

/** A store whose locks are kept so, and a host that says so. */
function open(locksBy: LocksBy = "store") {
  const folder = new Folder({ locksBy });
  const { env, store } = folder;
  opened.push(folder);
  const locks: { -readonly [K in keyof LockControl]: LockControl[K] } = {
    name: typeof locksBy === "object" ? locksBy.plugin : locksBy,
    provider: store.locks,
    trouble: null,
  };
  const host = { locks, schedulesChanged() {}, clock: { suspicion: null } } as unknown as Host;
  const call = <T = Record<string, unknown>>(name: string, input: unknown, principal: Principal = OPERATOR) =>
    callOperation(folder.context(principal, host), name, input) as Promise<T>;
  return { env, store, locks, call };
}

const plugin = (name: string, may?: Iterable<Capability>) =>
  pluginPrincipal({ plugin: name, ...(may && { capabilities: new Set(may) }) });

const WISH = { key: "k", ttlMs: 1_000, holder: "me" };

test("a lock is taken, kept and given back; another caller has other keys", async () => {
  const { call } = open();
  const { handle } = await call<{ handle: { token: string } }>("lock.try", WISH, plugin("a"));
  expect(await call("lock.try", { ...WISH, holder: "you" }, plugin("a"))).toEqual({
    contention: { holder: "me", leftMs: 1_000 },
  });
  expect(await call("lock.try", { ...WISH, holder: "you" }, plugin("b"))).toHaveProperty("handle");
  expect(await call("lock.renew", { token: handle.token, ttlMs: 5_000 }, plugin("a"))).toEqual({
    held: true,
  });
  expect(await call("lock.release", { token: handle.token }, plugin("a"))).toEqual({ released: true });
  expect(await call("lock.release", { token: handle.token }, plugin("a"))).toEqual({ released: false });
});

test.each([
  ["lock.try", { ...WISH, key: "" }, "key", "key: is missing."],
  ["lock.try", { ...WISH, key: "x".repeat(513) }, "key", "key: has more than 512 characters."],
  ["lock.try", { ...WISH, holder: "" }, "holder", "holder: is missing."],
  ["lock.try", { ...WISH, ttlMs: 99 }, "ttlMs", "ttlMs: must be at least 100."],
  ["lock.try", { ...WISH, ttlMs: 604_800_001 }, "ttlMs", "which is a week"],
  ["lock.try", { ...WISH, ttlMs: 1_000.5 }, "ttlMs", "ttlMs: must be a whole number."],
  ["lock.renew", { token: "", ttlMs: 1_000 }, "token", "token: is missing."],
])("%s %j is refused, and names the field", async (name, input, field, sentence) => {
  const fault = await refusal(open().call(name, input));
  expect(fault.fields.map((wrong) => wrong.field)).toEqual([field]);
  expect(fault.message).toContain(sentence);
});

test("who lacks the capability, asks where nobody keeps locks, or asks in vain, is told", async () => {
  const sentence = "Plugin a lacks cap:locks.use, which lock.try needs.";
  expect((await refusal(open().call("lock.try", WISH, plugin("a", [])))).message).toBe(sentence);
  const none = await refusal(open("none").call("lock.try", WISH));
  expect([none.code, none.message]).toEqual([
    "config",
    'Nobody keeps locks here: [locks] provider is "none".',
  ]);
  const { call, locks } = open(PLUGIN);
  locks.provider = {
    ...locks.provider,
    tryLock: () => Promise.reject(new Fault("unreachable", "it is gone")),
  };
  const gone = await refusal(call("lock.try", WISH));
  expect([gone.code, gone.message]).toEqual(["unreachable", "locks gives no locks: it is gone"]);
});

const EVERY = { handler: "a.b", every: "1m" };

test("a schedule keeps its hint, and an upsert that gives none takes it back", async () => {
  const { call } = open();
  const made = await call<{ id: string; locking: string }>("schedule.create", {
    ...EVERY,
    name: "n",
    locking: "node-local",
  });
  expect(made.locking).toBe("node-local");
  expect(await call("schedule.update", { id: "n", locking: "prefer-global" })).toMatchObject({
    locking: "prefer-global",
  });
  expect(await call("schedule.update", { id: "n", description: "x" })).toMatchObject({
    locking: "prefer-global",
  });
  expect(await call("schedule.create", { ...EVERY, name: "n", upsert: true })).toMatchObject({
    locking: "require-global",
  });
  const fault = await refusal(call("schedule.create", { ...EVERY, locking: "always" }));
  expect(fault.message).toBe("locking: must be one of require-global, prefer-global, node-local.");
});

test("where nobody keeps locks, what needs one is refused, whichever way it comes", async () => {
  const { call } = open("none");
  const sentence = 'locking: require-global needs somebody who keeps locks, and [locks] provider is "none".';
  const local = { ...EVERY, name: "n", locking: "prefer-global" };
  await call("schedule.create", local);
  for (const [name, input] of [
    ["schedule.create", EVERY],
    ["schedule.create", { ...EVERY, locking: "require-global" }],
    ["schedule.create", { ...EVERY, name: "n", upsert: true }],
    ["schedule.update", { id: "n", locking: "require-global" }],
  ] as const) {
    const fault = await refusal(call(name, input));
    expect([name, fault.code, fault.message]).toEqual([name, "usage", sentence]);
    expect(fault.hint).toContain("node-local");
  }
  expect(await call("schedule.show", { id: "n" })).toMatchObject({ locking: "prefer-global", revision: 1 });
});

test("what is said of an occurrence that waits for its lock, and of one that another node has", async () => {
  const { env, store, locks, call } = open(PLUGIN);
  const { id } = await call<{ id: string }>("schedule.create", EVERY);
  await env.advance(60_000);
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
  const explain = async () => (await call<{ sentence: string }>("schedule.explain", { id })).sentence;
  expect(await explain()).toBe("It waits for the lock: locks has not answered yet.");
  locks.trouble = "it is down";
  expect(await explain()).toBe("It waits for the lock: locks says: it is down.");
  await store.schedules.noteLockWaits("locks says: it is gone");
  expect(await explain()).toBe("It waits for the lock: locks says: it is gone.");
  const waits = await store.schedules.lockWaits(10);
  await store.schedules.lockAnswers(
    waits.map((wait) => ({ ...wait, otherNode: "node ND_b has its lock (locks)" })),
  );
  expect(await explain()).toBe("It is another node's: node ND_b has its lock (locks).");
});
