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
}

export interface AuditStore {
  add(entry: Omit<AuditEntry, "at">): Promise<void>;
  list(page: PageRequest): Promise<Page<AuditEntry>>;
  /** Removes the oldest entries, as far as they are from before then. */
  prune(request: PruneRequest): Promise<Pruned>;
}
