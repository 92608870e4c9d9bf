/** What becomes of what is due, where the store's tests do not reach: jitter, and how much work an outage makes. */
import { expect, test } from "bun:test";
import { decide } from "./decide.ts";
import { effectiveAt } from "./jitter.ts";
import { type Recurrence, recurrence } from "./recurrence.ts";
import { type OccurrenceOutcome, type Policy, POLICY_DEFAULT } from "./schedule.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);

/** Decides for a schedule of an interval that was accounted for at START, and looked at again `laterMs` after. */
function decideEvery(everyMs: number, laterMs: number, change: Partial<Policy> = {}) {
  const policy = { ...POLICY_DEFAULT, ...change };
  const every = recurrence({
    spec: { kind: "every", everyMs },
    timezone: "UTC",
    anchor: START,
    dstGap: "run-after",
    dstFold: "first",
  });
  const request = { scheduleId: "SC_x", recurrence: every, policy, open: false, waiting: [], runCount: 0 };
  const decision = decide({ ...request, accountedUntil: START, now: START + laterMs });
  return { every, policy, decision };
}

test.each([
  // jitter     overlap
  [0, "skip"],
  [DAY, "skip"],
  [DAY, "allow"],
  [3_650 * DAY, "allow"],
] as const)(
  "ten days of seconds with %p ms of jitter (%s) are some rows, not a million",
  (jitterMs, overlap) => {
    const { decision } = decideEvery(SECOND, 10 * DAY, { jitterMs, overlap });
    expect(decision.rows.length).toBeLessThan(6);
    const accounted = decision.rows.reduce((sum, { count }) => sum + count, 0);
    expect([(10 * DAY) / SECOND, (10 * DAY) / SECOND - 1]).toContain(accounted);
  },
);

/** A recurrence that counts how often it is asked. */
function counting(of: Recurrence): Recurrence & { asked: number } {
  return {
    asked: 0,
    next(after) {
      this.asked++;
      return of.next(after);
    },
    count(after, until) {
      this.asked++;
      return of.count(after, until);
    },
    latest(after, until) {
      this.asked++;
      return of.latest(after, until);
    },
  };
}

test.each([
  // policy                              occurrences that run, or wait to
  [{ missed: "skip" }, 0],
  [{ missed: "latest" }, 1],
  [{ missed: "earliest", latenessMaxMs: 10 * DAY, missedWindowMs: 10 * DAY }, 1],
  [{ missed: "all", missedMax: 100 }, 100],
] as [Partial<Policy>, number][])(
  "an outage of 3 days at 30 s over a change of clocks (%p) is accounted for by some questions, not by 8,640",
  (change, runs) => {
    const start = Date.UTC(2026, 9, 24, 0, 0, 15);
    const plan = recurrence({
      spec: { kind: "cron", cron: ["*/30 * * * * *"] },
      timezone: "Europe/London",
      anchor: 0,
      dstGap: "run-after",
      dstFold: "first",
    });
    const recurrenceAsked = counting(plan);
    const { rows } = decide({
      scheduleId: "SC_x",
      recurrence: recurrenceAsked,
      policy: { ...POLICY_DEFAULT, ...change },
      accountedUntil: start,
      now: start + 3 * DAY,
      open: false,
      waiting: [],
      runCount: 0,
    });
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(8_640);
    expect(rows.filter(({ fires, outcome }) => fires || outcome === "pending")).toHaveLength(runs);
    expect(recurrenceAsked.asked).toBeLessThan(40 + 2 * runs);
  },
);

test("in an outage everything late is missed, but for what may still wait for its jitter", () => {
  const outcomes = (laterMs: number, jitterMs: number) =>
    decideEvery(10 * SECOND, laterMs, { jitterMs }).decision.rows.map(
      ({ outcome, count }) => [outcome, count] as const,
    );
  expect(outcomes(MINUTE + 9 * SECOND, 0)).toEqual([["fired-late", 1], ...skipped(5)]);
  expect(outcomes(MINUTE + 12 * SECOND, 0)).toEqual([
    ["coalesced", 6],
    ["caught-up", 1],
  ]);
  const { every, policy } = decideEvery(10 * SECOND, 0, { jitterMs: 9 * SECOND });
  const lastAt = effectiveAt("SC_x", START + 2 * MINUTE, policy, every) - START;
  expect(outcomes(lastAt - 1, 9 * SECOND).at(-1)).toEqual(["caught-up", 1]);
  expect(outcomes(lastAt, 9 * SECOND)).toEqual([
    ["coalesced", 11],
    ["fired", 1],
  ]);
  expect(outcomes(lastAt + 2 * SECOND, 9 * SECOND)).toEqual([
    ["coalesced", 11],
    ["caught-up", 1],
  ]);
});

function skipped(times: number): (readonly [OccurrenceOutcome, number])[] {
  return Array.from({ length: times }, () => ["skipped-overlap", 1] as const);
}

test("with jitter an occurrence is missed a minute after it should have started, not before", () => {
  const { every, policy } = decideEvery(DAY, 0, { jitterMs: DAY });
  const dueMs = effectiveAt("SC_x", START + DAY, policy, every) - START;
  expect(dueMs).toBeGreaterThan(DAY + MINUTE);
  const outcomeAt = (laterMs: number) =>
    decideEvery(DAY, laterMs, { jitterMs: DAY }).decision.rows.map(({ outcome }) => outcome);
  expect(outcomeAt(dueMs - 1)).toEqual([]);
  expect(outcomeAt(dueMs)).toEqual(["fired"]);
  expect(outcomeAt(dueMs + MINUTE - 1)).toEqual(["fired-late"]);
  expect(outcomeAt(dueMs + MINUTE)).toEqual(["caught-up"]);
});
