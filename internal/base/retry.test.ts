/** How long a job waits before its next try, and how that is written. */
import { expect, test } from "bun:test";
import { Fault } from "./fault.ts";
import { formatRetry, parseRetry, RETRY_DEFAULT, RETRY_LIST_MAX, retryDelay } from "./retry.ts";

test.each([
  // policy                    waits before the second, third, fourth … try
  ["exponential:2s..10s", [2_000, 4_000, 8_000, 10_000, 10_000]],
  ["linear:10s..25s", [10_000, 20_000, 25_000, 25_000]],
  ["fixed:30s", [30_000, 30_000]],
  ["list:1s,10s,5m", [1_000, 10_000, 300_000, 300_000]],
  ["fixed:0s", [0, 0]],
] as [string, number[]][])("%s waits as it says", (text, waits) => {
  const policy = parseRetry(text, "retry");
  expect(waits.map((_, index) => retryDelay(policy, index + 1, 0.5))).toEqual(waits);
  expect(parseRetry(formatRetry(policy), "retry")).toEqual(policy);
});

test("only an exponential wait is moved by chance, an eighth at most", () => {
  const { kind: _, ...range } = { kind: "", baseMs: 8_000, maxMs: 8_000 };
  expect(retryDelay({ kind: "exponential", ...range }, 1, 0)).toBe(7_000);
  expect(retryDelay({ kind: "exponential", ...range }, 1, 0.999_999)).toBe(9_000);
  for (const random of [0, 0.999]) expect(retryDelay({ kind: "linear", ...range }, 1, random)).toBe(8_000);
});

test.each([
  // what is left out                       what it means
  ["exponential", formatRetry(RETRY_DEFAULT)],
  ["exponential:5s", "exponential:5s..10m"],
  ["linear:20m", "linear:20m..20m"],
])("%s means %s", (text, whole) => {
  expect(formatRetry(parseRetry(text, "retry"))).toBe(whole);
});

test.each([
  "",
  "fixed",
  "fixed:",
  "fixed:soon",
  "fixed:8d",
  "linear",
  "exponential:10m..2s",
  "exponential:1s..",
  "list:",
  "list:1s,,2s",
  `list:${Array.from({ length: RETRY_LIST_MAX + 1 }, () => "1s").join(",")}`,
  "random:1s",
  "3",
  "x".repeat(5_000),
])("%p is refused with its field", (text) => {
  let fault: unknown;
  try {
    parseRetry(text, "retry");
  } catch (error) {
    fault = error;
  }
  expect(fault).toBeInstanceOf(Fault);
  if (fault instanceof Fault) expect(fault.fields.map(({ field }) => field)).toEqual(["retry"]);
});
