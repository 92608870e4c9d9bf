/**
 * Schedules in SQLite. What is done to them is in schedule-verbs.ts, and for those who
 * declare them in declarations.ts; what is due is settled in ledger.ts. Here each verb
 * gets its transaction.
 */
import type { Database } from "bun:sqlite";
import type { Metered } from "../../access/quota.ts";
import type { Env, Millis } from "../../base/env.ts";
import type { LocksBy } from "../../schedule/lock.ts";
import {
  type Occurrence,
  type Owner,
  type Pause,
  type Schedule,
  SCHEDULE_STATES,
  type ScheduleState,
} from "../../schedule/schedule.ts";
import type { LockVerdict, LockWait } from "../locks.ts";
import type { Page, PageRequest } from "../page.ts";
import type {
  MeteredSchedules as Counted,
  DeclaredChange,
  Fired,
  NewSchedule,
  ScheduleChange,
  ScheduleChanges,
  ScheduleFilter,
  ScheduleRefusal,
  ScheduleStep,
  ScheduleStore,
  ScheduleUse,
  WhoseSchedule,
} from "../schedules.ts";
import { applySteps } from "./apply.ts";
import { SqliteBlackouts } from "./blackouts.ts";
import { Declarations } from "./declarations.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";
import type { SqliteJobs } from "./jobs.ts";
import { Ledger } from "./ledger.ts";
import { MeteredSchedules, type MeteredParts } from "./metered-schedules.ts";
import { LedgerPages } from "./ledger-pages.ts";
import { LockWaitSql } from "./lock-waits.ts";
import type { SqliteObjectives } from "./objectives.ts";
import { ScheduleLists } from "./schedule-lists.ts";
import { ScheduleQuota } from "./schedule-quota.ts";
import { readSchedule } from "./schedule-row.ts";
import { ScheduleSql } from "./schedule-sql.ts";
import { ScheduleVerbs } from "./schedule-verbs.ts";
import type { Terms } from "./terms.ts";

export interface ScheduleOptions {
  jobs: SqliteJobs;
  events: SqliteEvents;
  objectives: SqliteObjectives;
  terms: Terms;
  /** The stable id of this node: where a node-local schedule keeps its cursor. */
  nodeId: string;
  /** Who keeps the locks of occurrences. */
  locksBy: LocksBy;
  /** Version of the time zone data, kept with every revision. */
  tzdata: string;
}

export class SqliteSchedules implements ScheduleStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #sql: ScheduleSql;
  readonly #ledger: Ledger;
  readonly #lockWaits: LockWaitSql;
  /** What is done to them inside a transaction that is open. */
  readonly verbs: ScheduleVerbs;
  readonly #declarations: Declarations;
  readonly #metered: MeteredParts;
  readonly #pages: ScheduleLists;
  readonly #ledgerPages: LedgerPages;
  /** The named blackouts that these schedules observe. */
  readonly blackouts: SqliteBlackouts;

  constructor(env: Env, db: Database, group: GroupCommit, options: ScheduleOptions) {
    const { jobs, events, objectives, terms, nodeId, locksBy, tzdata } = options;
    const sql = new ScheduleSql(db);
    const ledger = new Ledger(env, { db, sql, locksBy, jobs, events, objectives, terms });
    this.#env = env;
    this.#group = group;
    this.#sql = sql;
    this.#ledger = ledger;
    this.#lockWaits = new LockWaitSql(db);
    this.verbs = new ScheduleVerbs(env, { db, sql, ledger, objectives, nodeId, locksBy, tzdata });
    this.#declarations = new Declarations(env, { sql, ledger, verbs: this.verbs });
    this.#pages = new ScheduleLists(db);
    this.#ledgerPages = new LedgerPages(db);
    this.blackouts = new SqliteBlackouts(env, db, group, this.verbs);
    this.#metered = {
      group,
      verbs: this.verbs,
      blackouts: this.blackouts,
      declarations: this.#declarations,
      quota: new ScheduleQuota(env, db),
    };
  }

  /** How occurrences are accounted for, for who mends that. */
  get accounts(): Ledger {
    return this.#ledger;
  }

  within(metered: Counted): ScheduleChanges {
    return new MeteredSchedules(this.#metered, metered);
  }

  async quotaUse(metered: Omit<Metered, "quota">): Promise<ScheduleUse> {
    return this.#metered.quota.use(metered);
  }

  create(schedule: NewSchedule): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.verbs.create(schedule));
  }

  async get(id: string): Promise<Schedule | null> {
    const row = this.#sql.get.get({ id });
    return row ? readSchedule(row) : null;
  }

  async whose(id: string): Promise<WhoseSchedule | null> {
    const row = this.#sql.whose.get({ id });
    return row && { tenant: row.tenant, owner: { kind: row.owner_kind, name: row.owner_name } };
  }

  async named(name: string): Promise<Schedule[]> {
    return this.#sql.named.all({ name }).map(readSchedule);
  }

  async declaredAs({ kind, name }: Owner, declaredId: string, tenant: string): Promise<Schedule | null> {
    const row = this.#sql.declaredAs.get({ tenant, ownerKind: kind, ownerName: name, declaredId });
    return row ? readSchedule(row) : null;
  }

  async find(part: string, limit: number): Promise<string[]> {
    return this.#sql.find.all({ part, limit }).map(({ id }) => id);
  }

  async list(filter: ScheduleFilter, page: PageRequest): Promise<Page<Schedule>> {
    return this.#pages.page(filter, page);
  }

  async callers({ plugin, tenant }: { plugin: string; tenant: string }): Promise<Schedule[]> {
    return this.#sql.callers.all({ from: `${plugin}/`, to: `${plugin}0`, tenant }).map(readSchedule);
  }

  async upcoming(limit: number): Promise<Schedule[]> {
    return this.#sql.upcoming.all({ limit }).map(readSchedule);
  }

  update(id: string, change: ScheduleChange, revision?: number): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.verbs.update(id, change, revision));
  }

  pause(id: string, pause: Omit<Pause, "at">): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.verbs.pause(id, pause));
  }

  resume(id: string): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.verbs.resume(id));
  }

  delete(id: string, by: string): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.verbs.delete(id, by));
  }

  apply(steps: readonly ScheduleStep[]): Promise<ScheduleRefusal | null> {
    return applySteps(this.#group, { verbs: this.verbs, blackouts: this.blackouts }, steps);
  }

  declare(owner: Owner, declared: readonly NewSchedule[]): Promise<DeclaredChange[]> {
    return this.#group.write(() => this.#declarations.declare(owner, declared));
  }

  async fire({ nodeId, limit }: { nodeId: string; limit: number }): Promise<Fired> {
    const fired = await this.#group.write((careful) => this.#ledger.fire(nodeId, { limit, careful }));
    this.#ledger.told(fired.stopped);
    return fired;
  }

  async lockWaits(limit: number): Promise<LockWait[]> {
    return this.#lockWaits.list(this.#env.now(), limit);
  }

  noteLockWaits(note: string): Promise<void> {
    return this.#group.write(() => this.#lockWaits.note(note));
  }

  lockAnswers(verdicts: readonly LockVerdict[]): Promise<Fired> {
    return this.#group.write((careful) => this.#ledger.answered(verdicts, careful));
  }

  async ledger(
    id: string,
    range: { from?: Millis; to?: Millis },
    page: PageRequest,
  ): Promise<Page<Occurrence>> {
    return this.#ledgerPages.within(id, range, page);
  }

  async ledgerEnd(id: string, page: PageRequest): Promise<Page<Occurrence>> {
    return this.#ledgerPages.last(id, page);
  }

  async counts(): Promise<Record<ScheduleState, number>> {
    const counts = new Map(this.#sql.counts.all().map(({ state, count }) => [state, count]));
    const pairs = SCHEDULE_STATES.map((state) => [state, counts.get(state) ?? 0] as const);
    return Object.fromEntries(pairs) as Record<ScheduleState, number>;
  }
}
