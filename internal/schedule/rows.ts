/** Rows: what a decision writes into the ledger: single occurrences, and quiet ranges with a count. */
import type { Millis } from "../base/env.ts";
import { assert } from "../base/fault.ts";
import type { Recurrence } from "./recurrence.ts";
import type { OccurrenceOutcome } from "./schedule.ts";

/** A ledger row to be written. `fires` rows become a job; a row with `count > 1` is a quiet range. */
export interface DecidedRow {
  occurrence: Millis;
  lastOccurrence: Millis;
  count: number;
  outcome: OccurrenceOutcome;
  fires: boolean;
  catchup: boolean;
  /** Pending: true when it waits for its lock, false when for the run before it. */
  asks: boolean;
  /** Coalesced: the occurrence it became part of. Skipped for overlap: null, the open job is the reason. */
  into: Millis | null;
}

/** A row for one occurrence. */
export function single(
  occurrence: Millis,
  outcome: OccurrenceOutcome,
  { fires = false, catchup = false, asks = false } = {},
): DecidedRow {
  return { occurrence, lastOccurrence: occurrence, count: 1, outcome, fires, catchup, asks, into: null };
}

/** One row for all occurrences in (after, until]; null when there is none. */
export function range(
  recurrence: Recurrence,
  after: Millis,
  until: Millis,
  outcome: OccurrenceOutcome,
): DecidedRow | null {
  const first = until > after ? recurrence.next(after) : null;
  if (first === null || first > until) return null;
  const last = recurrence.latest(after, until);
  assert(last !== null && last >= first, "a range has a last occurrence");
  const count = recurrence.count(after, until);
  return { ...single(first, outcome), lastOccurrence: last, count };
}
