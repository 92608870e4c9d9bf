/** What a rate allows, and when. */
import { expect, test } from "bun:test";
import { type Bucket, formatRate, fullAfter, opensAt, parseRate, startable, usualBurst } from "./rate.ts";

test.each([
  // text, count, milliseconds, usual burst
  ["50/s", 50, 1_000, 5],
  ["100/m", 100, 60_000, 1],
  ["10/30s", 10, 30_000, 1],
  ["3/h", 3, 3_600_000, 1],
  ["1000000/d", 1_000_000, 86_400_000, 1],
] as const)("%s is read and written", (text, count, perMs, burst) => {
  expect(parseRate(text, "rate")).toEqual({ count, perMs });
  expect(formatRate({ count, perMs })).toBe(text);
  expect(usualBurst({ count, perMs })).toBe(burst);
});

test.each(["", "50", "0/s", "-1/s", "1.5/s", "50/w", "50/0s", "1/2d", "1000001/s", "50 / s", "s/50"])(
  "%p is no rate",
  (text) => {
    expect(() => parseRate(text, "rate")).toThrow(/^rate: /);
  },
);

/** Starts as many as it can every `stepMs`, as a worker does that is woken then. Returns how many started. */
function drain(bucket: Bucket, { from, to, stepMs }: { from: number; to: number; stepMs: number }): number {
  let started = 0;
  for (let now = from; now < to; now += stepMs) {
    const count = startable(bucket, now);
    bucket.fullAt = fullAfter(bucket, now, count);
    started += count;
  }
  return started;
}

test.each([
  // how late a worker may be, milliseconds
  [1],
  [7],
  [20],
  [50],
])("50/s is held within 5 %% over a minute by a worker that looks every %p ms", (stepMs) => {
  const bucket = { rate: { count: 50, perMs: 1_000 }, burst: 5, fullAt: 0 };
  const started = drain(bucket, { from: 1_000_000, to: 1_060_000, stepMs });
  expect(started).toBeGreaterThanOrEqual(2_850);
  expect(started).toBeLessThanOrEqual(3_005);
});

test("after an idle hour no more than the burst starts at once", () => {
  const bucket = { rate: { count: 50, perMs: 1_000 }, burst: 5, fullAt: 0 };
  drain(bucket, { from: 0, to: 10_000, stepMs: 10 });
  expect(startable(bucket, 3_610_000)).toBe(5);
  bucket.fullAt = fullAfter(bucket, 3_610_000, 5);
  expect(startable(bucket, 3_610_000)).toBe(0);
  expect(opensAt(bucket, 3_610_000)).toBe(3_610_020);
  expect(startable(bucket, 3_610_020)).toBe(1);
});

test("a clock that is set back shuts it for one burst at most", () => {
  const bucket = { rate: { count: 1, perMs: 60_000 }, burst: 1, fullAt: 0 };
  bucket.fullAt = fullAfter(bucket, 1_000_000_000, 1);
  expect(startable(bucket, 0)).toBe(0);
  expect(opensAt(bucket, 0)).toBe(60_000);
});
