/** When old rows are removed, and by which clock. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import type { PruneRequest } from "../store/prune.ts";
import { ClockGuard } from "./clock-guard.ts";
import { Retention } from "./retention.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A retention of one kind that is kept for a day and goes in three steps. */
function start({ fails = 0 } = {}) {
  const env = new FakeEnv();
  const clock = new ClockGuard(env, null);
  const steps: PruneRequest[] = [];
  const prune = async (request: PruneRequest) => {
    steps.push(request);
    if (steps.length <= fails) throw new Error("the disk is full");
    const step = Number(request.cursor ?? 0);
    return { removed: 1, cursor: step < 2 ? String(step + 1) : null };
  };
  const stop = new AbortController();
  const kept = [{ name: "rows", keepMs: DAY, prune }];
  const retention = new Retention({ env, log: silentLog, clock, kept });
  const ended = retention.run({ stop: stop.signal, abort: stop.signal });
  const end = async () => {
    stop.abort();
    await ended;
  };
  return { env, clock, steps, end };
}

test("every hour all that is too old goes, step by step, with a pause between", async () => {
  const { env, steps, end } = start();
  const before = env.now() - DAY;
  await env.advance(0);
  expect(steps).toEqual([{ before, cursor: undefined }]);
  await env.advance(1_000);
  expect(steps).toEqual([
    { before, cursor: undefined },
    { before, cursor: "1" },
    { before, cursor: "2" },
  ]);
  await env.advance(HOUR);
  expect(steps).toHaveLength(6);
  expect(steps[3]?.before).toBeGreaterThanOrEqual(before + HOUR);
  await end();
});

test("a store that fails is tried again in an hour", async () => {
  const { env, steps, end } = start({ fails: 1 });
  await env.advance(HOUR / 2);
  expect(steps).toHaveLength(1);
  await env.advance(HOUR);
  expect(steps).toHaveLength(4);
  await end();
});

test("by a clock that is not believed nothing is removed: what it calls old may be of today", async () => {
  const { env, steps, end } = start();
  await env.advance(1_000);
  env.jump(4_000 * DAY);
  await env.advance(HOUR);
  await env.advance(60_000);
  expect(steps.slice(3)).toEqual([]);
  await end();
});

test("a clock that is years ahead removes a day more at most, even when somebody believes it", async () => {
  const { env, clock, steps, end } = start();
  await env.advance(1_000);
  const now = env.now();
  env.jump(4_000 * DAY);
  clock.look();
  clock.confirm();
  await env.advance(HOUR);
  expect(steps.slice(3)).toHaveLength(3);
  expect(steps[3]?.before).toBeLessThan(now + HOUR);
  await end();
});
