/** Prune: how old rows are removed, step by step. Each kind of row has one such verb. */
import type { Millis } from "../base/env.ts";

export interface PruneRequest {
  before: Millis;
  /** Where the step before ended; absent at the first one. */
  cursor?: string | undefined;
}

export interface Pruned {
  removed: number;
  /** Where the next step goes on; null when nothing is left to look at. */
  cursor: string | null;
}
