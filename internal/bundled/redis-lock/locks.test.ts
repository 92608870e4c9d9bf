/** Holds the locks against a real Redis server, which dies, comes back, gets stuck and says no. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Driver, asked } from "../../../sdk/typescript/driver.ts";
import { connectHost } from "../../../sdk/typescript/host.ts";
import { createPluginLog } from "../../../sdk/typescript/log.ts";
import type { LockHandle, Locks } from "../../../sdk/typescript/qntx.ts";
import { MemoryHost } from "../memory-host.ts";
import { RedisLocks } from "./locks.ts";
import definition from "./redis-lock.ts";
import { RedisServer } from "./redis-server.ts";

const TTL_MS = 60_000;

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

/** Locks of a prefix that nobody else uses. */
function openLocks(server = redis): RedisLocks & Disposable {
  const prefix = `test-${crypto.randomUUID()}`;
  const locks = new RedisLocks({ url: server.url, prefix, log: new MemoryHost().log });
  return Object.assign(locks, { [Symbol.dispose]: () => locks.close() });
}

async function take(locks: Locks, key: string, holder: string, ttlMs = TTL_MS): Promise<LockHandle> {
  const answer = await locks.tryLock({ key, holder, ttlMs });
  if ("token" in answer) return answer;
  throw new Error(`${answer.holder} has it`);
}

test("of all who ask at once, one is given the lock, and the others are told who has it", async () => {
  using locks = openLocks();
  const holders = Array.from({ length: 100 }, (_, index) => `holder ${index}`);
  const answers = await Promise.all(
    holders.map((holder) => locks.tryLock({ key: "k", holder, ttlMs: TTL_MS })),
  );
  const winners = holders.filter((_, index) => "token" in (answers[index] ?? {}));
  expect(winners).toHaveLength(1);
  const told = new Set(answers.flatMap((answer) => ("holder" in answer ? [answer.holder] : [])));
  expect([...told]).toEqual(winners);
});

test("the same holder is given its lock again, with a greater fence, and its old token is worth nothing", async () => {
  using locks = openLocks();
  const before = await take(locks, "k", "one");
  const after = await take(locks, "k", "one");
  expect(after.fence).toBeGreaterThan(before.fence);
  expect(await locks.renew(before.token, TTL_MS)).toBe(false);
  expect(await locks.release(before.token)).toBe(false);
  expect(await locks.renew(after.token, TTL_MS)).toBe(true);
});

test("a lock runs out by itself, and the next fence is greater", async () => {
  using locks = openLocks();
  const before = await take(locks, "k", "one", 50);
  const after = await until(() => take(locks, "k", "other").catch(() => null));
  expect(after.fence).toBeGreaterThan(before.fence);
  expect(await locks.renew(before.token, TTL_MS)).toBe(false);
});

test("a released lock is free, once, and only with its token", async () => {
  using locks = openLocks();
  const { token } = await take(locks, "a/key.with dots", "one");
  expect(await locks.release(`x${token}`)).toBe(false);
  expect(await locks.release("no token at all")).toBe(false);
  expect(await locks.release(token)).toBe(true);
  expect(await locks.release(token)).toBe(false);
  await take(locks, "a/key.with dots", "other");
});

test("a server that is killed and comes back has kept its locks; in between, questions fail with a sentence", async () => {
  await using server = await RedisServer.start();
  using locks = openLocks(server);
  const before = await take(locks, "k", "one");
  await server.kill();
  const sentence = `Redis at 127.0.0.1:${server.port}: Connection closed`;
  await expect(locks.tryLock({ key: "k", holder: "one", ttlMs: TTL_MS })).rejects.toThrow(sentence);
  await expect(locks.tryLock({ key: "k", holder: "one", ttlMs: TTL_MS })).rejects.toThrow(sentence);
  await server.restart();
  const contended = await until(() =>
    locks.tryLock({ key: "k", holder: "other", ttlMs: TTL_MS }).catch(() => null),
  );
  expect(contended).toMatchObject({ holder: "one" });
  expect((await take(locks, "k", "one")).fence).toBeGreaterThan(before.fence);
});

test("a fence grows also when a server has lost what it knew", async () => {
  await using server = await RedisServer.start({ appendOnly: false });
  using locks = openLocks(server);
  const before = await take(locks, "k", "one");
  await server.kill();
  await server.restart();
  const after = await until(() => take(locks, "k", "other").catch(() => null));
  expect(after.fence).toBeGreaterThan(before.fence);
});

test("a server that is stuck fails the question, and answers again when it goes on", async () => {
  await using server = await RedisServer.start();
  using locks = openLocks(server);
  await take(locks, "k", "one");
  server.freeze();
  await expect(locks.tryLock({ key: "k", holder: "one", ttlMs: TTL_MS })).rejects.toThrow(
    "no answer within 4000 ms",
  );
  server.thaw();
  await until(() => take(locks, "k", "one").catch(() => null));
}, 30_000);

test("a server that may throw locks away is refused, and one that forgets them at its end is named", async () => {
  await using server = await RedisServer.start({
    appendOnly: false,
    words: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
  });
  using locks = openLocks(server);
  await expect(take(locks, "k", "one")).rejects.toThrow(/evicts keys \(maxmemory-policy allkeys-lru\)/);

  await using forgetful = await RedisServer.start({ appendOnly: false });
  const host = new MemoryHost();
  const others = new RedisLocks({ url: forgetful.url, prefix: "p", log: host.log });
  await take(others, "k", "one");
  others.close();
  expect(host.lines.join()).toContain("keeps no append-only file");
});

describe("the plugin", () => {
  test.each([
    ["localhost:6379", "url is not the address of a Redis server"],
    ["http://:secret@localhost", "url is not the address of a Redis server"],
  ])("refuses the url %s, and does not repeat it", async (url, sentence) => {
    const start = Driver.start(definition, { config: { url } });
    const error = await start.then(
      () => "",
      (thrown: Error) => thrown.message,
    );
    expect(error).toContain(sentence);
    expect(error).not.toContain("secret");
  });

  test("refuses a key that would do nothing", async () => {
    await expect(Driver.start(definition, { config: { host: "localhost" } })).rejects.toThrow(
      "[redis-lock] has no key host; it has url and prefix",
    );
  });

  test("says that it is a lock provider, starts without a server, and answers as one", async () => {
    await using driver = await Driver.start(definition, {
      config: { url: redis.url, prefix: `test-${crypto.randomUUID()}` },
    });
    const described = await asked(driver.service, driver.service.describe, { hostVersion: "1" });
    expect(described.lockProvider).toBe(true);
    const client = connectHost(
      { address: `127.0.0.1:${driver.plugin.port}`, token: "", config: {} },
      { log: createPluginLog(() => {}), setJobs: async () => {} },
    );
    const { locks } = client.host;
    const { token } = await take(locks, "k", "one");
    expect(await locks.tryLock({ key: "k", holder: "other", ttlMs: TTL_MS })).toMatchObject({
      holder: "one",
    });
    expect(await locks.renew(token, TTL_MS)).toBe(true);
    expect(await locks.release(token)).toBe(true);
    client.close();
  });
});

async function until<T>(probe: () => Promise<T | null>): Promise<T> {
  for (const limit = performance.now() + 20_000; performance.now() < limit; await Bun.sleep(20)) {
    const found = await probe();
    if (found !== null) return found;
  }
  throw new Error("Waited 20 s in vain.");
}
