/**
 * Outcome oracle: whether an occurrence had a reason for what became of it: who was
 * skipped met a run or a limit, who expired was late, who ran was allowed to. It knows
 * the facts of the moment from the journal, and the policy; not how the engine decides.
 */
import type { Millis } from "../../internal/base/env.ts";
import {
  FIRED_OUTCOMES,
  LATE_AFTER_MS,
  MISSED_AFTER_MS,
  type Policy,
} from "../../internal/schedule/schedule.ts";
import type { OccurrenceRecord } from "./journal.ts";
import type { Plan } from "./plan.ts";

/** How things stood when a row was written. */
export interface Facts {
  /** Runs of the schedule that are open, those of this decision included. */
  open: number;
  /** Its occurrences that wait. */
  waiting: number;
  /** Runs that it had. */
  runs: number;
  /** Late occurrences that were given a run, or a place in the line, at this very moment. */
  madeUp: number;
}

/** What is wrong with an outcome; null when nothing is. */
export function complaintAbout(row: OccurrenceRecord, plan: Plan, facts: Facts): string | null {
  const { outcome, occurrence, lastOccurrence, decidedAt } = row;
  const { policy } = plan;
  const lateMs = decidedAt - lastOccurrence;
  const dark = plan.blackoutAt(occurrence) !== null && plan.blackoutAt(lastOccurrence) !== null;
  const light = plan.blackoutAt(occurrence) === null && plan.blackoutAt(lastOccurrence) === null;
  if (outcome === "blackout") return dark ? null : "outside of all blackouts";
  if (outcome === "paused" || outcome === "deleted") return null;
  if (!light) return "in a blackout";
  if (!isWithin(row, policy)) return "outside of its start and end";
  switch (outcome) {
    case "expired":
      return lateMs >= policy.latenessMaxMs ? null : `${lateMs} ms late`;
    case "skipped-missed":
    case "coalesced":
      return lateMs > LATE_AFTER_MS ? null : `${lateMs} ms late`;
    case "skipped-overlap":
      return isInTheWay(policy, facts) ? null : "with nothing in its way";
    case "fired-late":
      return lateMs > LATE_AFTER_MS ? null : `${lateMs} ms late`;
    default:
      return isTooMany(row, policy, facts) ? `as number ${facts.madeUp} of what was missed` : null;
  }
}

/** What is wrong with how an occurrence ended that waited; null when nothing is. */
export function complaintAboutEnd(
  { outcome, occurrence, decidedAt }: OccurrenceRecord,
  { policy }: Plan,
): string | null {
  const lateMs = decidedAt - occurrence;
  const missed = outcome === "skipped-missed" || outcome === "coalesced";
  if (missed) return lateMs > MISSED_AFTER_MS ? null : `${lateMs} ms late`;
  if (outcome === "expired") return lateMs > policy.latenessMaxMs ? null : `${lateMs} ms late`;
  return null;
}

/** True for an occurrence that was missed and runs all the same, or will. */
export function isMadeUp({ outcome, occurrence, decidedAt }: OccurrenceRecord, policy: Policy): boolean {
  const runs = outcome === "pending" || FIRED_OUTCOMES.includes(outcome);
  return runs && decidedAt - occurrence > MISSED_AFTER_MS + policy.jitterMs;
}

/** How many occurrences a policy makes up for at once. */
const MADE_UP: Record<Policy["missed"], (policy: Policy) => number> = {
  skip: () => 0,
  latest: () => 1,
  earliest: () => 1,
  all: ({ missedMax }) => missedMax,
};

function isTooMany(row: OccurrenceRecord, policy: Policy, { madeUp }: Facts): boolean {
  return isMadeUp(row, policy) && madeUp > MADE_UP[policy.missed](policy);
}

function isInTheWay(policy: Policy, { open, waiting, runs }: Facts): boolean {
  const spent = runs + waiting >= (policy.runsMax ?? Number.POSITIVE_INFINITY);
  return spent || open > 0 || waiting > 0;
}

function isWithin({ occurrence, lastOccurrence }: OccurrenceRecord, { startAt, endAt }: Policy): boolean {
  const from: Millis = startAt ?? Number.NEGATIVE_INFINITY;
  return occurrence >= from && lastOccurrence <= (endAt ?? Number.POSITIVE_INFINITY);
}
