/** Bulk: many jobs by what they have in common, a stretch at a time, so that nobody waits for it. */
import type { Millis } from "../base/env.ts";
import type { JobState, NewJob } from "../job/job.ts";
import type { Enqueued } from "./jobs.ts";

/** What jobs have in common. Absent fields say nothing. */
export interface BulkFilter {
  states: readonly JobState[];
  /** As people name it: `x`, `<plugin>/x` or `<tenant>@x`; without a tenant, none of a tenant's. */
  handler?: string | undefined;
  scheduleId?: string | undefined;
  /** The kind of the error of a job that failed. */
  errorKind?: string | undefined;
  /** When it ended; for one that has not, when it was made. */
  since?: Millis | undefined;
  until?: Millis | undefined;
  /** True: without those that were retried. */
  notRetried?: boolean | undefined;
}

export interface BulkJob {
  id: string;
  lane: string;
  state: JobState;
  /** When it ended; for one that has not, when it was made. */
  at: Millis;
  errorKind: string | null;
}

/** What was found in one stretch, oldest first, and where the next one starts. */
export interface BulkStretch {
  found: BulkJob[];
  /** Null after the last stretch. Jobs that were made after the first one was read do not belong to it. */
  next: { after: number; upTo: number } | null;
}

export interface BulkStore {
  /** Reads one stretch of all jobs. */
  match(filter: BulkFilter, from: { after: number; upTo: number } | null): Promise<BulkStretch>;
  /** Cancels jobs in one transaction. Returns the state that each was found in; null for one that is not there. */
  cancel(ids: readonly string[], by: string): Promise<(JobState | null)[]>;
  /** Writes retries in one transaction, but none for a job that has one: then the answer is that one. */
  retry(jobs: readonly (NewJob & { retryOf: string })[]): Promise<Enqueued[]>;
}
