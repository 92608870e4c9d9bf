/** What was planned in a span is that of each definition while it was in force. */
import { expect, test } from "bun:test";
import { POLICY_DEFAULT } from "./schedule.ts";
import { countPlanned, listPlanned, type Term } from "./terms.ts";

const term = (since: number, everyMs: number | null): Term => ({
  since,
  tzdata: "",
  definition:
    everyMs === null
      ? null
      : {
          spec: { kind: "every", everyMs },
          timezone: "UTC",
          anchor: 0,
          policy: { ...POLICY_DEFAULT, blackouts: [{ from: 5_000, to: 7_000, note: "" }] },
        },
});
// Every second until 10 s, nothing until 20 s, then every five seconds.
const TERMS = [term(0, 1_000), term(10_000, null), term(20_000, 5_000)];

test.each([
  // from    to       planned
  [0, 3_000, [1_000, 2_000]],
  [1_000, 3_001, [1_000, 2_000, 3_000]],
  [4_000, 8_000, [4_000, 5_000, 6_000, 7_000]],
  [9_000, 26_000, [9_000, 10_000, 25_000]],
  [10_001, 25_000, []],
  [-5_000, 0, []],
] as const)("from %d to %d", (from, to, expected) => {
  expect([...listPlanned(TERMS, { from, to })]).toEqual([...expected]);
  expect(countPlanned(TERMS, { from, to })).toBe(expected.length);
});
