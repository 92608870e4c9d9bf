/**
 * Missed: what becomes of occurrences at whose time nobody was there.
 *
 * | policy   | runs                                         | the others      |
 * | -------- | -------------------------------------------- | --------------- |
 * | latest   | the last one, for all of them                | coalesced       |
 * | earliest | the first one                                | skipped-missed  |
 * | all      | the last `missedMax`, one after the other    | skipped-missed  |
 * | skip     | none                                         | skipped-missed  |
 *
 * Only what lies in the window can run, and nothing that is later than the
 * greatest lateness: that has expired.
 */
import type { Millis } from "../base/env.ts";
import type { Turns } from "./overlap.ts";
import type { Recurrence } from "./recurrence.ts";
import { type DecidedRow, range } from "./rows.ts";
import type { MissedPolicy, Policy } from "./schedule.ts";

export interface MissedRequest {
  /** The plan without blackouts. */
  recurrence: Recurrence;
  policy: Policy;
  now: Millis;
  turns: Turns;
  /** Occurrences in (after, until] were missed. */
  after: Millis;
  until: Millis;
  /** True when an on-time occurrence is decided as well. */
  superseded: boolean;
}

/** Accounts for missed occurrences by the policy. */
export function missedRows(request: MissedRequest): DecidedRow[] {
  const { recurrence, policy, now, after, until } = request;
  const expiredUntil = clamp(now - policy.latenessMaxMs, after, until);
  const windowFrom = clamp(now - policy.missedWindowMs, expiredUntil, until);
  const before = [
    range(recurrence, after, expiredUntil, "expired"),
    range(recurrence, expiredUntil, windowFrom, "skipped-missed"),
  ];
  return [
    ...before.flatMap((row) => row ?? []),
    ...BY_POLICY[policy.missed]({ ...request, after: windowFrom }),
  ];
}

const BY_POLICY: Record<MissedPolicy, (request: MissedRequest) => DecidedRow[]> = {
  skip: ({ recurrence, after, until }) => present(range(recurrence, after, until, "skipped-missed")),
  latest(request) {
    const { recurrence, turns, after, until, superseded } = request;
    const last = recurrence.latest(after, until);
    if (last === null) return [];
    if (superseded) return present(range(recurrence, after, until, "coalesced"));
    const others = range(recurrence, after, last - 1, "coalesced");
    return [...present(others), turns.meet(last, { catchup: true })];
  },
  earliest({ recurrence, turns, after, until }) {
    const first = recurrence.next(after);
    if (first === null || first > until) return [];
    return [
      turns.meet(first, { catchup: true }),
      ...present(range(recurrence, first, until, "skipped-missed")),
    ];
  },
  all({ recurrence, policy, turns, after, until }) {
    const chosen = lastOnes(recurrence, after, until, policy.missedMax);
    const others = range(recurrence, after, (chosen[0] ?? until + 1) - 1, "skipped-missed");
    return [...present(others), ...chosen.map((at) => turns.meet(at, { catchup: true, inSequence: true }))];
  },
};

/** The last `max` occurrences in (after, until], in order. */
function lastOnes(recurrence: Recurrence, after: Millis, until: Millis, max: number): Millis[] {
  const found: Millis[] = [];
  for (
    let at = recurrence.latest(after, until);
    at !== null && found.length < max;
    at = recurrence.latest(after, at - 1)
  ) {
    found.unshift(at);
  }
  return found;
}

function present(row: DecidedRow | null): DecidedRow[] {
  return row ? [row] : [];
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
