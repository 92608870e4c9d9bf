/** What the store is told of limits, and when. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import type { HandlerLimits } from "../store/limits.ts";
import type { Executor } from "./executor.ts";
import { Limiter } from "./limiter.ts";
import type { Lane } from "./registry.ts";

const executor: Executor = {
  plugin: "p",
  version: "1",
  concurrency: 1,
  execute: async () => ({ kind: "disowned" }),
  replace() {},
};

function lane(name: string, concurrencyPerKey: number | null): Lane {
  const none = { timeoutMs: null, maxAttempts: null, concurrency: null, description: "" };
  return { name, executor, options: { ...none, name: name.slice(name.indexOf("/") + 1), concurrencyPerKey } };
}

test("limits are written once, before anything else that is asked for, and again when they change or a write failed", async () => {
  const env = new FakeEnv();
  const written: HandlerLimits[] = [];
  let isFull = false;
  const set = async (limits: HandlerLimits) => {
    if (isFull) throw new Error("the disk is full");
    written.push(limits);
  };
  const wanted = (handler: string, perKey: number | null) => ({ handler, perKey, rate: null, burst: null });
  const known = [wanted("old", 4)];
  const limiter = new Limiter({ env, log: silentLog, limits: { set }, known, onSet() {} });
  limiter.changed([lane("old", 4), lane("plain", null), lane("new", 2), lane("p/new", 2)]);
  expect(written).toEqual([wanted("old", 4), wanted("new", 2)]); // The boot before may have died in between.
  limiter.changed([lane("old", 4), lane("new", 2)]);
  expect(written).toHaveLength(2);
  isFull = true;
  limiter.changed([lane("old", null)]);
  await env.advance(10);
  isFull = false;
  await env.advance(1_000);
  expect(written.slice(2)).toEqual([wanted("old", null)]);
});
