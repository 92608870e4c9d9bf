/** The store on SQLite: one file for what must not be lost, one for what jobs said. */
import type { Database } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { type Log, silentLog } from "../../base/log.ts";
import type { LocksBy } from "../../schedule/lock.ts";
import type { Store } from "../store.ts";
import { SqliteAttestations } from "./attestations.ts";
import { SqliteAudit } from "./audit.ts";
import type { SqliteFlows } from "./flows.ts";
import type { SqliteBlackouts } from "./blackouts.ts";
import { SqliteBulk } from "./bulk.ts";
import { SqliteBackfills } from "./backfills.ts";
import type { SqliteBudgets } from "./budgets.ts";
import { SqliteEvents } from "./events.ts";
import { SqliteGrants } from "./grants.ts";
import { GroupCommit } from "./group.ts";
import { SqliteJobs } from "./jobs.ts";
import { SqliteLedgerStore } from "./ledger-store.ts";
import { SqliteLimits } from "./limits.ts";
import { SqliteLocks } from "./locks.ts";
import { SqliteLogs } from "./logs.ts";
import { SqliteNodes } from "./nodes.ts";
import { closeDatabase } from "./open.ts";
import { lookAtLockWaits } from "./lock-waits.ts";
import { followPaces } from "./paces.ts";
import { SqlitePlugins } from "./plugins.ts";
import { SqliteObjectives } from "./objectives.ts";
import { SqliteSchedules } from "./schedules.ts";
import { SqliteStorage } from "./storage.ts";
import { followTimezoneData, Terms } from "./terms.ts";
import { SqliteWatchers } from "./watchers.ts";
import { SqliteWebhooks } from "./webhooks.ts";

export interface SqliteStoreOptions {
  /** An open database with today's schema; the store closes it. */
  db: Database;
  logPath: string;
  tzdata: string;
  /** Who keeps the locks of occurrences; the store itself when absent. */
  locksBy?: LocksBy;
  /** For what cannot be answered to anybody. Absent: nobody is told. */
  log?: Log;
  /** False once another host can have the database. Absent: nobody can. */
  isOurs?: () => boolean;
}

export class SqliteStore implements Store {
  readonly jobs: SqliteJobs;
  readonly bulk: SqliteBulk;
  readonly flows: SqliteFlows;
  readonly schedules: SqliteSchedules;
  readonly ledger: SqliteLedgerStore;
  readonly limits: SqliteLimits;
  readonly budgets: SqliteBudgets;
  readonly blackouts: SqliteBlackouts;
  readonly backfills: SqliteBackfills;
  readonly attestations: SqliteAttestations;
  readonly logs: SqliteLogs;
  readonly nodes: SqliteNodes;
  readonly audit: SqliteAudit;
  readonly grants: SqliteGrants;
  readonly plugins: SqlitePlugins;
  readonly storage: SqliteStorage;
  readonly events: SqliteEvents;
  readonly locks: SqliteLocks;
  readonly locksBy: LocksBy;
  readonly objectives: SqliteObjectives;
  readonly webhooks: SqliteWebhooks;
  readonly watchers: SqliteWatchers;
  readonly #db: Database;
  readonly #group: GroupCommit;

  constructor(env: Env, options: SqliteStoreOptions) {
    const { db, logPath, tzdata, locksBy = "store", log = silentLog, isOurs = () => true } = options;
    this.#db = db;
    this.#group = new GroupCommit(env, db);
    followTimezoneData(db, { tzdata, now: env.now() });
    lookAtLockWaits(db, { now: env.now() });
    const terms = new Terms(db, tzdata);
    this.locksBy = locksBy;
    this.locks = new SqliteLocks(env, db, this.#group);
    this.events = new SqliteEvents(env, db, this.#group);
    this.webhooks = new SqliteWebhooks(env, db, this.#group, this.events);
    this.objectives = new SqliteObjectives(env, db, this.#group, this.events);
    this.limits = new SqliteLimits(env, db, this.#group, this.events);
    this.budgets = this.limits.budgets;
    this.logs = new SqliteLogs(env, { path: logPath, log });
    this.jobs = new SqliteJobs(env, {
      db,
      group: this.#group,
      events: this.events,
      limits: this.limits,
      logs: this.logs,
    });
    this.flows = this.jobs.flows;
    this.bulk = new SqliteBulk(db, this.#group, this.jobs);
    this.nodes = new SqliteNodes(env, { db, group: this.#group, isOurs });
    this.schedules = new SqliteSchedules(env, db, this.#group, {
      jobs: this.jobs,
      events: this.events,
      objectives: this.objectives,
      terms,
      nodeId: this.nodes.id,
      locksBy,
      tzdata,
    });
    const { events, schedules } = this;
    this.ledger = new SqliteLedgerStore(env, {
      db,
      group: this.#group,
      events,
      accounts: schedules.accounts,
      terms,
      tzdata,
    });
    this.backfills = new SqliteBackfills(env, db, this.#group, this.jobs);
    followPaces(db, { jobs: this.jobs, events: this.events, log });
    this.blackouts = this.schedules.blackouts;
    this.watchers = new SqliteWatchers(env, { db, group: this.#group, jobs: this.jobs, events });
    this.attestations = new SqliteAttestations(env, db, this.#group, this.watchers);
    this.audit = new SqliteAudit(env, db, this.#group);
    this.grants = new SqliteGrants(env, db, this.#group);
    this.plugins = new SqlitePlugins(env, db, this.#group);
    this.storage = new SqliteStorage(env, db, this.#group);
  }

  async close(): Promise<void> {
    this.#group.close();
    this.logs.close();
    closeDatabase(this.#db);
  }
}
