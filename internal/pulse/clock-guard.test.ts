/** When the wall clock is believed. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { ClockGuard } from "./clock-guard.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

test.each([
  // step            believed
  [0, true],
  [HOUR, true],
  [-2 * HOUR, true],
  [DAY - SECOND, true],
  [DAY + SECOND, false],
  [-DAY - SECOND, false],
  [3_650 * DAY, false],
])("a step of %p ms at once is believed: %p", async (step, believed) => {
  const env = new FakeEnv();
  const guard = new ClockGuard(env, env.now());
  await env.advance(SECOND);
  expect(guard.look()).toBe(true);
  env.jump(step);
  expect(guard.look()).toBe(believed);
  expect(guard.suspicion === null).toBe(believed);
});

test("two days of ordinary time are no step", async () => {
  const env = new FakeEnv();
  const guard = new ClockGuard(env, null);
  await env.advance(2 * DAY);
  expect(guard.look()).toBe(true);
});

/** Lets time pass while somebody looks at every nap. */
async function pass(env: FakeEnv, guard: ClockGuard, ms: number): Promise<boolean> {
  for (let passed = 0; passed < ms; passed += SECOND) {
    await env.advance(SECOND);
    guard.look();
  }
  return guard.look();
}

test("a clock that goes steadily for ten minutes is believed; one that goes on jumping is not", async () => {
  const env = new FakeEnv();
  const guard = new ClockGuard(env, null);
  for (let i = 0; i < 3; i++) {
    env.jump(3_650 * DAY);
    expect(guard.look()).toBe(false);
    expect(await pass(env, guard, 9 * MINUTE)).toBe(false);
  }
  expect(await pass(env, guard, MINUTE)).toBe(true);
});

test("a blip of ten years that is taken back is over at once", async () => {
  const env = new FakeEnv();
  const guard = new ClockGuard(env, null);
  env.jump(3_650 * DAY);
  expect(await pass(env, guard, MINUTE)).toBe(false);
  env.jump(-3_650 * DAY);
  expect(guard.look()).toBe(true);
});

test("a start before what was recorded already is not believed until somebody says so", async () => {
  const env = new FakeEnv();
  expect(new ClockGuard(env, env.now() + 30 * SECOND).look()).toBe(true);
  const guard = new ClockGuard(env, env.now() + HOUR);
  expect(guard.look()).toBe(false);
  expect(guard.suspicion?.reason).toContain("was recorded already");
  await env.advance(MINUTE);
  expect(guard.steadyMs).toBe(0);
  guard.confirm();
  expect(guard.look()).toBe(true);
  await env.advance(MINUTE);
  expect(guard.steadyMs).toBe(MINUTE);
});

test("a clock that was behind at the start, and is set right, is believed at once", () => {
  const env = new FakeEnv();
  const guard = new ClockGuard(env, env.now() + 10 * DAY);
  expect(guard.look()).toBe(false);
  env.jump(10 * DAY);
  expect(guard.look()).toBe(true);
});

test("a clock that was set back says from when on something is due again", async () => {
  const env = new FakeEnv();
  const guard = new ClockGuard(env, null);
  await env.advance(HOUR);
  guard.look();
  const reached = env.now();
  for (const [step, behind] of [
    [0, null],
    [-2 * HOUR, reached],
    [HOUR, reached],
    [-30 * SECOND, reached],
    [HOUR, null],
  ] as const) {
    env.jump(step);
    guard.look();
    expect([step, guard.behind]).toEqual([step, behind]);
    expect(guard.takeStep()).toBe(Math.abs(step) > MINUTE ? step : 0);
    expect(guard.takeStep()).toBe(0);
  }
  env.jump(-HOUR);
  expect(new ClockGuard(env, reached).behind).toBe(reached);
});
