/** What people write, read strictly: durations and instants. */
import { expect, test } from "bun:test";
import { formatDuration, parseDuration } from "./duration.ts";
import { FakeEnv } from "./fake-env.ts";
import { Fault } from "./fault.ts";
import { ID_PATTERN, newId } from "./id.ts";
import { formatInstant, parseInstant } from "./instant.ts";

test.each([
  ["250ms", 250],
  ["30s", 30_000],
  ["1h30m", 5_400_000],
  ["2d", 172_800_000],
  ["1w", 604_800_000],
  ["0s", 0],
] as const)("%p is %p ms", (text, ms) => {
  expect(parseDuration(text, "every")).toBe(ms);
});

test.each([
  "",
  " ",
  "5",
  "5x",
  "m5",
  "1.5h",
  "-5m",
  "30m1h",
  "1h1h",
  "NaNs",
  "5 m",
  "999999999w",
  "1e3s",
  "٣s",
])("%p is no duration, and the fault names the field", (text) => {
  expect(() => parseDuration(text, "every")).toThrow(Fault);
  expect(() => parseDuration(text, "every")).toThrow(/^every: /);
});

test.each([0, 1, 999, 1_000, 61_000, 5_400_000, 90_061_001])("%p ms comes back as it was written", (ms) => {
  expect(parseDuration(formatDuration(ms), "every")).toBe(ms);
});

test.each([
  ["2026-01-31T09:00:00Z", "2026-01-31T09:00:00.000Z"],
  ["2026-01-31T09:00:00.250+01:00", "2026-01-31T08:00:00.250Z"],
  ["2024-02-29T00:00Z", "2024-02-29T00:00:00.000Z"],
  ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
  ["1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"],
] as const)("%p is %p", (text, iso) => {
  expect(formatInstant(parseInstant(text, "at"))).toBe(iso);
});

test.each([
  "",
  "tomorrow",
  "2026-01-31",
  "2026-01-31T09:00:00",
  "2026-02-30T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-01-01T25:00:00Z",
  "9999-12-31T23:59:59-14:00",
  "0000-01-01T00:00:00+00:01",
  "0",
])("%p is no instant", (text) => {
  expect(() => parseInstant(text, "at")).toThrow(/^at: .* is not an instant/);
});

test("ids sort by the moment they were made, and look like ids", async () => {
  const env = new FakeEnv();
  const ids: string[] = [];
  for (let i = 0; i < 100; i++) {
    ids.push(newId(env, "JB"));
    await env.advance(1);
  }
  expect(ids.toSorted()).toEqual(ids);
  expect(ids.every((id) => ID_PATTERN.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(100);
});
