/** Which steps of the clock are believed, and when the others are. */
import { beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { ClockWatch, STEP_MAX_MS, STILL_MS } from "./clock-watch.ts";

const SECOND = 1_000;
const TEN_YEARS = 3_652 * 86_400_000;
let env: FakeEnv;
let watch: ClockWatch;
beforeEach(() => {
  env = new FakeEnv();
  watch = new ClockWatch(env, silentLog);
});

/** Lets time pass while the watch is asked at every nap. */
async function pass(ms: number): Promise<boolean> {
  for (let passed = 0; passed < ms; passed += SECOND) {
    await env.advance(Math.min(SECOND, ms - passed));
    watch.isSuspect();
  }
  return watch.isSuspect();
}

test("time that passes, and a clock that is set by hours, are believed", async () => {
  expect(await pass(3 * STILL_MS)).toBe(false);
  for (const step of [STEP_MAX_MS, -STEP_MAX_MS, 3_600_000]) {
    env.jump(step);
    expect(watch.isSuspect()).toBe(false);
  }
});

test.each([TEN_YEARS, -TEN_YEARS, STEP_MAX_MS + 1])(
  "a step of %p ms is believed once it has kept still",
  async (step) => {
    env.jump(step);
    expect(watch.isSuspect()).toBe(true);
    expect(await pass(STILL_MS - SECOND)).toBe(true);
    expect(await pass(SECOND)).toBe(false);
    expect(await pass(STILL_MS)).toBe(false);
  },
);

test("a clock that comes back is believed at once; one that goes on jumping is not", async () => {
  env.jump(TEN_YEARS);
  expect(await pass(SECOND)).toBe(true);
  env.jump(-TEN_YEARS);
  expect(watch.isSuspect()).toBe(false);
  for (let i = 0; i < 2; i++) {
    env.jump(TEN_YEARS);
    expect(watch.isSuspect()).toBe(true);
    expect(await pass(STILL_MS - SECOND)).toBe(true);
  }
  expect(await pass(SECOND)).toBe(false);
});
