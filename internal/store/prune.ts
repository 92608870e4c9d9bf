/** Prune: how old rows are removed, step by step. Each kind of row has one such verb. */
import type { Millis } from "../base/env.ts";

export interface PruneRequest {
  before: Millis;
  /** Where the step before ended; absent at the first one. */
  cursor?: string | undefined;
}

/** Which finished jobs may go. */
export interface JobPruneRequest extends PruneRequest {
  state: "completed" | "failed" | "cancelled";
  /** Runs of backfills stay longer: while one is there, its instant is not run again. */
  backfillsBefore: Millis;
  /** How many of all jobs, counted from the newest, stay whatever their number. */
  newest: number;
}

export interface Pruned {
  removed: number;
  /** Where the next step goes on; null when nothing is left to look at. */
  cursor: string | null;
}
