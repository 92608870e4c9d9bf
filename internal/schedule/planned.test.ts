/** Bounds and blackouts take occurrences away, and move none. */
import { expect, test } from "bun:test";
import { occurrences, planned } from "./planned.ts";
import { type Policy, POLICY_DEFAULT } from "./schedule.ts";

const MINUTE = 60_000;
const minutes = (change: Partial<Policy>) =>
  planned({
    spec: { kind: "every", everyMs: MINUTE },
    timezone: "UTC",
    anchor: 0,
    policy: { ...POLICY_DEFAULT, ...change },
  });
const blackouts = [{ from: 4 * MINUTE, to: 6 * MINUTE, note: "" }];

test.each([
  // policy                                             occurrences in [2, 9) minutes
  [{}, [2, 3, 4, 5, 6, 7, 8]],
  [{ startAt: 3 * MINUTE }, [3, 4, 5, 6, 7, 8]],
  [{ endAt: 7 * MINUTE }, [2, 3, 4, 5, 6, 7]],
  [{ blackouts }, [2, 3, 6, 7, 8]],
  [{ startAt: 3 * MINUTE + 1, endAt: 7 * MINUTE - 1, blackouts }, [6]],
  [{ startAt: 20 * MINUTE }, []],
  [{ endAt: MINUTE }, []],
] as [Partial<Policy>, number[]][])("%j", (policy, expected) => {
  const plan = minutes(policy);
  const [from, to] = [2 * MINUTE, 9 * MINUTE];
  expect([...occurrences(plan, { from, to })].map((at) => at / MINUTE)).toEqual(expected);
  expect(plan.count(from - 1, to - 1)).toBe(expected.length);
  expect(plan.latest(from - 1, to - 1)).toBe(expected.length > 0 ? (expected.at(-1) ?? 0) * MINUTE : null);
});
