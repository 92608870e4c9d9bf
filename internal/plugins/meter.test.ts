import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { Meter } from "./meter.ts";

test("a burst is free, what is beyond it is paid with time, and no more than a burst is saved", async () => {
  const env = new FakeEnv();
  const meter = new Meter(env, { perSecond: 100, burst: 1_000 });
  meter.spend(1_000);
  expect(meter.debtMs()).toBe(0);
  meter.spend(50);
  expect(meter.debtMs()).toBe(500);
  await env.advance(400);
  expect(meter.debtMs()).toBeCloseTo(100);
  await env.advance(100);
  expect(meter.debtMs()).toBe(0);
  await env.advance(3_600_000);
  meter.spend(1_001);
  expect(meter.debtMs()).toBeCloseTo(10);
});
