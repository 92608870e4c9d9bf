/**
 * Past: what the ledger says of a span that a forecast cannot know: how long each run
 * took, when nobody was there, and what people did. Everything else it decides again.
 *
 * That nobody was there is known by the occurrences that were looked at too late. An
 * absence into which none fell is not seen; all it can hide is that something expired.
 */
import type { Millis } from "../base/env.ts";
import type { Past } from "./forecast.ts";
import { effectiveAt } from "./jitter.ts";
import { type Definition, planned } from "./planned.ts";
import type { Occurrence, OccurrenceOutcome } from "./schedule.ts";
import { merged, type Span } from "./span.ts";

/** A ledger row with its run, where it has one. */
export interface RecordedRow extends Pick<
  Occurrence,
  "occurrence" | "lastOccurrence" | "count" | "outcome" | "decidedAt"
> {
  /** When somebody looked at it first: one that waits is decided later. */
  seenAt: Millis;
  /** When the job was made, and when it ended; null while it has not. */
  run: { startedAt: Millis; endedAt: Millis | null; cancelled: boolean } | null;
}

/** Outcomes that are not decided by the clock and the runs alone. */
const GIVEN: readonly OccurrenceOutcome[] = ["paused", "deleted", "quota", "other-node"];

/** Reads rows, in the order of their occurrences. `definitionAt` is the definition that an occurrence follows. */
export function pastOf(
  rows: readonly RecordedRow[],
  {
    scheduleId,
    until,
    definitionAt,
  }: { scheduleId: string; until: Millis; definitionAt: (occurrence: Millis) => Definition | null },
): Past {
  const given = rows.filter(({ outcome }) => GIVEN.includes(outcome));
  const late = rows.flatMap((row) => {
    const definition = definitionAt(row.occurrence);
    return definition === null ? [] : lateSpan(row, effectiveOf(scheduleId, row.occurrence, definition));
  });
  return {
    until,
    quiet: given.filter((row) => !waited(row)),
    closed: given
      .filter(waited)
      .map(({ occurrence, outcome, decidedAt }) => ({ occurrence, outcome, at: decidedAt })),
    absences: merged(late, (first) => first),
  };
}

/** The end of each recorded run, by its occurrence; a run that has not ended never does. */
export function endsOf(rows: readonly RecordedRow[]): Map<Millis, Millis> {
  return new Map(rows.flatMap(({ occurrence, run }) => (run === null ? [] : [[occurrence, endOf(run)]])));
}

/** True when it was looked at, and waited, before its outcome was decided. */
function waited({ seenAt, decidedAt }: RecordedRow): boolean {
  return decidedAt > seenAt;
}

/** One that was cancelled was open for whoever looked at that moment: it may be the one that cancelled it. */
function endOf({ endedAt, cancelled }: NonNullable<RecordedRow["run"]>): Millis {
  return (endedAt ?? Number.POSITIVE_INFINITY) + (cancelled ? 1 : 0);
}

/** From when an occurrence should have been looked at to when it was. */
function lateSpan(row: RecordedRow, from: Millis): Span[] {
  // Rows that are written when a span is over say nothing about who was there in it.
  const ofSpan = row.outcome === "blackout" || (GIVEN.includes(row.outcome) && !waited(row));
  return ofSpan || row.seenAt <= from ? [] : [{ from, to: row.seenAt }];
}

function effectiveOf(scheduleId: string, occurrence: Millis, definition: Definition): Millis {
  return effectiveAt(scheduleId, occurrence, definition.policy, planned(definition));
}
