/** The seam of backfills: spans of the past that somebody asked to be run. */
import type { Millis } from "../base/env.ts";
import type { Job, NewJob } from "../job/job.ts";

/** A span of the past that somebody asked to be run. */
export interface NewBackfill {
  id: string;
  scheduleId: string;
  from: Millis;
  to: Millis;
  /** Runs of the schedule's backfills at once. */
  concurrency: number;
  askedBy: string;
}

export interface BackfillMade {
  made: number;
  /** Instants that had a run of a backfill already. */
  existed: number;
}

export interface Backfill extends NewBackfill {
  createdAt: Millis;
  runs: { waiting: number; open: number; completed: number; failed: number; cancelled: number };
}

export interface BackfillStore {
  /** Instants in [from, to) that have a run of a backfill; one that was cancelled is none. */
  instants(scheduleId: string, span: { from: Millis; to: Millis }): Promise<Millis[]>;
  /** Makes the runs that are not there yet. They stand in the schedule's line, which moves on when one ends. May be asked in parts. */
  make(backfill: NewBackfill, jobs: readonly NewJob[]): Promise<BackfillMade>;
  /** Cancels all runs of a schedule's backfills that have not begun; `running` ones go on. */
  cancel(scheduleId: string, by: string): Promise<{ cancelled: number; running: number }>;
  /** The run of a backfill for an instant; null when there is none. */
  run(scheduleId: string, occurrence: Millis): Promise<Job | null>;
  /** Newest first. */
  list(scheduleId: string, limit: number): Promise<Backfill[]>;
}
