/** The seam of the audit trail: who did what. */
import type { Millis } from "../base/env.ts";
import type { Page, PageRequest } from "./page.ts";
import type { PruneRequest, Pruned } from "./prune.ts";

export interface AuditEntry {
  id: string;
  at: Millis;
  principal: string;
  operation: string;
  subject: string;
  allowed: boolean;
  detail: string;
  /** More than one: a flood of refusals, whose last one this is; `at` is the time of the first. */
  count: number;
}

/** Of one caller and operation within a minute: what follows is counted in the last row, so that no flood fills the trail. */
export const REFUSALS_PER_MINUTE_MAX = 20;

export interface AuditStore {
  add(entry: Omit<AuditEntry, "at" | "count">): Promise<void>;
  list(page: PageRequest): Promise<Page<AuditEntry>>;
  /** Removes the oldest entries, as far as they are from before then. */
  prune(request: PruneRequest): Promise<Pruned>;
}
