/** The interval that a schedule really has when its runs take too long. */
import { expect, test } from "bun:test";
import { median, slowPace } from "./pace.ts";
import { type OverlapPolicy, type Policy, POLICY_DEFAULT, type Spec } from "./schedule.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;
const every20s: Spec = { kind: "every", everyMs: 20 * SECOND };
const officeHours: Spec = { kind: "cron", cron: ["0 9-17 * * *"] };

test.each([
  // when        run for (s)  took (s)    mode               effective (s)
  [every20s, 20, 50, "skip", 60],
  [every20s, 20, 60, "skip", 60],
  [every20s, 20, 61, "skip", 80],
  [every20s, 20, 20, "skip", null],
  [every20s, 20, 21, "skip", 40],
  [every20s, 20, 50, "buffer-one", 50],
  [every20s, 20, 50, "buffer-all", 50],
  [every20s, 20, 19, "buffer-all", null],
  [every20s, 20, 50, "allow", null],
  [every20s, 20, 50, "cancel-other", null],
  [every20s, 20, 50, "terminate-other", null],
  // The night is long enough for a run of twelve hours; the hours of the day are not.
  [officeHours, 17 * 3600, 12 * 3600, "skip", null],
  [officeHours, 9 * 3600, 90 * 60, "skip", 2 * 3600],
  [{ kind: "at", instants: [SECOND, 2 * SECOND] }, 1, 5, "skip", null],
] as [Spec, number, number, OverlapPolicy, number | null][])(
  "%j, run for %i s, took %i s, overlap %s: every %p s",
  (spec, at, took, overlap, effective) => {
    const policy: Policy = { ...POLICY_DEFAULT, overlap };
    const definition = { spec, timezone: "UTC", anchor: 0, policy };
    const pace = slowPace(definition, { occurrence: at * SECOND, tookMs: took * SECOND });
    expect(pace && pace.effectiveMs / SECOND).toBe(effective);
  },
);

test("a blackout is no slowness", () => {
  const blackouts = [{ from: 30 * SECOND, to: HOUR, note: "" }];
  const definition = { spec: every20s, timezone: "UTC", anchor: 0, policy: { ...POLICY_DEFAULT, blackouts } };
  expect(slowPace(definition, { occurrence: 20 * SECOND, tookMs: 50 * SECOND })).toBeNull();
});

test("the middle of durations", () => {
  expect([median([]), median([3]), median([9, 1, 5]), median([1, 9])]).toEqual([undefined, 3, 5, 9]);
});
