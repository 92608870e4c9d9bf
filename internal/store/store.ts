/**
 * Store: what must survive a restart, in domain verbs. Two engines implement
 * it; `storetest/` is the specification that both run.
 *
 * A write is answered after its commit: whoever gets the answer may tell the
 * world. Writes of one turn are committed as one group. The engine supplies the
 * time, because nodes that share a store must share a clock.
 */
import type { LocksBy } from "../schedule/lock.ts";
import type { AttestationStore } from "./attestations.ts";
import type { AuditStore } from "./audit.ts";
import type { BackfillStore } from "./backfills.ts";
import type { BlackoutStore } from "./blackouts.ts";
import type { BudgetStore } from "./budgets.ts";
import type { BulkStore } from "./bulk.ts";
import type { EventStore } from "./events.ts";
import type { FlowStore } from "./flows.ts";
import type { GrantStore } from "./grants.ts";
import type { JobStore } from "./jobs.ts";
import type { LedgerStore } from "./ledger.ts";
import type { LimitStore } from "./limits.ts";
import type { LockProvider } from "./locks.ts";
import type { LogStore } from "./logs.ts";
import type { NodeStore } from "./nodes.ts";
import type { ObjectiveStore } from "./objectives.ts";
import type { PluginStore } from "./plugins.ts";
import type { ScheduleStore } from "./schedules.ts";
import type { StorageStore } from "./storage.ts";
import type { WatcherStore } from "./watchers.ts";
import type { WebhookStore } from "./webhooks.ts";

export interface Store {
  /** Who keeps the locks of occurrences. */
  readonly locksBy: LocksBy;
  readonly jobs: JobStore;
  readonly bulk: BulkStore;
  readonly flows: FlowStore;
  readonly schedules: ScheduleStore;
  readonly ledger: LedgerStore;
  readonly limits: LimitStore;
  readonly budgets: BudgetStore;
  readonly blackouts: BlackoutStore;
  readonly backfills: BackfillStore;
  readonly attestations: AttestationStore;
  readonly logs: LogStore;
  readonly nodes: NodeStore;
  readonly audit: AuditStore;
  readonly grants: GrantStore;
  readonly plugins: PluginStore;
  readonly storage: StorageStore;
  readonly events: EventStore;
  readonly locks: LockProvider;
  readonly objectives: ObjectiveStore;
  readonly webhooks: WebhookStore;
  readonly watchers: WatcherStore;
  /** Commits what is open and closes. */
  close(): Promise<void>;
}
