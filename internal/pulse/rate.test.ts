/** A rate through the worker, on a clock that the test moves: how many start, when, and how often the store is asked. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { sleep } from "../base/env.ts";
import { FakeEnv } from "../base/fake-env.ts";
import { newId } from "../base/id.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Executor } from "./executor.ts";
import { Pulse } from "./pulse.ts";

const SECOND = 1_000;

/** A host with one handler that may start 50 a second, five of them at once, and what it started when. */
async function host({ readMs = 0, earlyMs = 0 } = {}) {
  const env = new FakeEnv();
  const after = env.after.bind(env);
  env.after = (ms, call) => after(ms > earlyMs ? ms - earlyMs : ms, call);
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const starts: number[] = [];
  let claims = 0;
  const serve = store.jobs.serve.bind(store.jobs);
  store.jobs.serve = (claimer) => {
    const wishes = (lanes: Iterable<string>) => {
      const wished = claimer?.wishes(lanes) ?? [];
      claims += wished.length;
      return wished;
    };
    serve(claimer && { bootId: claimer.bootId, wishes, claimed: claimer.claimed.bind(claimer) });
  };
  const get = store.limits.get.bind(store.limits);
  store.limits.get = async (handler) => {
    const limit = await get(handler);
    if (readMs > 0) await sleep(env, readMs);
    return limit;
  };
  const pulse = new Pulse({
    env,
    log: silentLog,
    store,
    nodeId: store.nodes.id,
    version: "0",
    napMs: SECOND,
    jobsMax: 1_000,
  });
  const executor: Executor = {
    plugin: "p",
    version: "1",
    concurrency: 1_000,
    async execute() {
      starts.push(env.now());
      return { kind: "completed", result: null, cost: 0 };
    },
    replace() {},
  };
  const none = { timeoutMs: null, maxAttempts: null, concurrency: null, description: "" };
  const limits = { rate: { count: 50, perMs: SECOND }, burst: 5 };
  pulse.registry.register([{ executor, handlers: [{ ...none, name: "p.work", ...limits }] }]);
  const stop = new AbortController();
  const signals = { stop: stop.signal, abort: stop.signal };
  const run = Promise.all([...pulse.early, pulse.worker].map((service) => service.run(signals)));
  return {
    env,
    starts,
    claims: () => claims,
    async enqueue(count: number) {
      const made = Array.from({ length: count }, () => ({
        id: newId(env, "JB"),
        handler: "p.work",
        payload: new Uint8Array(),
      }));
      const added = store.jobs.enqueue(made);
      await env.advance(0);
      await added;
      pulse.jobsAdded(["p.work"]);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await env.advance(10 * SECOND);
      await run;
      await store.close();
    },
  };
}

test("50/s is held within 5 % over a minute, and the store is asked once for each", async () => {
  await using at = await host();
  await at.enqueue(4_000);
  const from = at.env.now();
  const before = at.claims();
  await at.env.advance(60 * SECOND);
  const started = at.starts.filter((start) => start < from + 60 * SECOND).length;
  expect(started).toBeGreaterThanOrEqual(2_850);
  expect(started).toBeLessThanOrEqual(3_150);
  // One claim gives it, one more finds that no other may start yet.
  expect(at.claims() - before).toBeLessThanOrEqual(2 * started + 120);
});

test("a timer that is early by a millisecond, and a rate that is read five later, leave nobody to the poll", async () => {
  await using at = await host({ readMs: 5, earlyMs: 1 });
  await at.enqueue(1_000);
  const from = at.env.now();
  await at.env.advance(10 * SECOND);
  const started = at.starts.filter((start) => start < from + 10 * SECOND).length;
  expect(started).toBeGreaterThanOrEqual(475);
  expect(started).toBeLessThanOrEqual(525);
});

test("after some idle minutes no more than the burst starts at once, and the rest at the rate", async () => {
  await using at = await host();
  await at.enqueue(1);
  await at.env.advance(180 * SECOND);
  await at.enqueue(100);
  const from = at.env.now();
  await at.env.advance(10);
  expect(at.starts.filter((start) => start >= from)).toHaveLength(5);
  await at.env.advance(SECOND);
  const inSecond = at.starts.filter((start) => start >= from && start <= from + SECOND).length;
  expect(inSecond).toBeGreaterThanOrEqual(50);
  expect(inSecond).toBeLessThanOrEqual(55);
});

test("a clock that is set back while a rate is read leaves nobody to the poll for longer than one", async () => {
  await using at = await host({ readMs: 5 });
  await at.enqueue(1_000);
  at.env.jump(-3_600 * SECOND);
  await at.env.advance(2 * SECOND);
  const from = at.env.now();
  await at.env.advance(10 * SECOND);
  const started = at.starts.filter((start) => start >= from).length;
  expect(started).toBeGreaterThanOrEqual(475);
  expect(started).toBeLessThanOrEqual(525);
});
