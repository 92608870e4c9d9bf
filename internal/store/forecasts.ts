/** The seam of forecasts: what is known of schedules, and of their past, for whoever plays them through. */
import type { Millis } from "../base/env.ts";
import type { Span } from "../schedule/span.ts";
import type { Waiting } from "../schedule/overlap.ts";
import type { RecordedRow } from "../schedule/past.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { CursorHistory } from "./ledger.ts";

/** A run of the plan that has not ended. */
export interface OpenRun {
  occurrence: Millis;
  startedAt: Millis;
}

/** Reads at once and holds nothing: who asks about many schedules is not on anybody's event loop. */
export interface ForecastSource {
  /** Schedules by their ids; without, all that are active or paused, in pages of `limit` after an id. */
  schedules(which: { ids: readonly string[] } | { after: string; limit: number }): Schedule[];
  /** What the last runs of the plan took, newest first. */
  took(scheduleId: string, limit: number): Millis[];
  history(scheduleId: string): CursorHistory[];
  /** From after here on the ledger is whole: what is older may have been removed. Null: nothing ever was. */
  horizon(): Millis | null;
  /** Ledger rows of one cursor that touch a span, in order, with their runs. */
  record(scheduleId: string, node: string, span: Span): RecordedRow[];
  /** Runs for occurrences before an instant that end after it, or have not ended. */
  openAt(scheduleId: string, node: string, at: Millis): { startsAt: Millis; endsAt: Millis }[];
  /** Runs of the plan for occurrences from an instant on, as the ledger counts them. */
  runsSince(scheduleId: string, node: string, from: Millis): number;
  /** What is open, and who waits, now. */
  open(scheduleId: string, node: string): { runs: OpenRun[]; waiting: Waiting[] };
}

/** A source that is open, and must be closed. */
export interface OpenedForecastSource extends ForecastSource {
  close(): void;
}
