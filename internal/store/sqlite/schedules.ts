/**
 * Schedules in SQLite: their definitions, and what people and plugins do to them.
 * What is due is settled in ledger.ts; every change here first accounts for
 * everything up to now under the definition that was in force.
 */
import type { Database } from "bun:sqlite";
import { isDeepStrictEqual } from "node:util";
import type { Env, Millis } from "../../base/env.ts";
import { newId } from "../../base/id.ts";
import { ownSpans } from "../../schedule/named-blackout.ts";
import {
  type Occurrence,
  type Owner,
  type Pause,
  type Schedule,
  SCHEDULE_STATES,
  type ScheduleState,
} from "../../schedule/schedule.ts";
import { gridAnchor, type LocksBy, refuseUnlockable } from "../../schedule/lock.ts";
import type { LockVerdict, LockWait } from "../locks.ts";
import type {
  DeclaredChange,
  Fired,
  NewSchedule,
  Page,
  PageRequest,
  ScheduleChange,
  ScheduleFilter,
  ScheduleRefusal,
  ScheduleStep,
  ScheduleStore,
} from "../store.ts";
import { applySteps } from "./apply.ts";
import { BlackoutSql, SqliteBlackouts } from "./blackouts.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";
import type { SqliteJobs } from "./jobs.ts";
import { Ledger } from "./ledger.ts";
import { LockWaitSql } from "./lock-waits.ts";
import type { SqliteObjectives } from "./objectives.ts";
import { noCursor, pageLimit, pageOf } from "./page.ts";
import { ScheduleLists } from "./schedule-lists.ts";
import {
  type OccurrenceRow,
  readOccurrence,
  readPause,
  readSchedule,
  type ScheduleRow,
  targetText,
  writePolicy,
} from "./schedule-row.ts";
import { ScheduleSql } from "./schedule-sql.ts";
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

/** The part of a schedule that people define. */
type Definition = Omit<NewSchedule, "id" | "paused" | "anchor"> & { anchor: Millis };

export class SqliteSchedules implements ScheduleStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #sql: ScheduleSql;
  readonly #ledger: Ledger;
  readonly #lockWaits: LockWaitSql;
  readonly #options: ScheduleOptions;
  readonly #lists: BlackoutSql;
  readonly #pages: ScheduleLists;
  /** The named blackouts that these schedules observe. */
  readonly blackouts: SqliteBlackouts;

  constructor(env: Env, db: Database, group: GroupCommit, options: ScheduleOptions) {
    this.#env = env;
    this.#group = group;
    this.#sql = new ScheduleSql(db);
    this.#lockWaits = new LockWaitSql(db);
    const { jobs, events, objectives, terms } = options;
    this.#ledger = new Ledger(env, {
      db,
      sql: this.#sql,
      locksBy: options.locksBy,
      jobs,
      events,
      objectives,
      terms,
    });
    this.#options = options;
    this.#lists = new BlackoutSql(db);
    this.#pages = new ScheduleLists(db);
    this.blackouts = new SqliteBlackouts(env, db, group, this);
  }

  /** How occurrences are accounted for, for who mends that. */
  get accounts(): Ledger {
    return this.#ledger;
  }

  create(schedule: NewSchedule): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.createNow(schedule));
  }

  /** `create` inside the caller's transaction, as are the other verbs that end in Now. */
  createNow(schedule: NewSchedule): Schedule | ScheduleRefusal {
    return this.#nameTaken(schedule) ?? this.#insert(schedule);
  }

  #insert(schedule: NewSchedule): Schedule {
    refuseUnlockable(this.#options.locksBy, schedule.locking);
    const now = this.#env.now();
    const definition = this.#observed({
      ...schedule,
      anchor: schedule.anchor ?? this.#anchorOf(schedule, now),
    });
    const pause = schedule.paused && JSON.stringify({ until: null, ...schedule.paused, at: now });
    this.#sql.insert.run({
      id: schedule.id,
      ...columns(definition),
      state: pause ? "paused" : "active",
      pause,
      runCount: schedule.runCount ?? 0,
      now,
    });
    this.#lists.link(schedule.id, definition.policy.blackoutNames);
    this.#sql.insertRevision.run({ id: schedule.id, now, tzdata: this.#options.tzdata });
    this.#ledger.restart(schedule.id, this.#nodeOf(schedule), now);
    return this.#read(schedule.id);
  }

  async get(id: string): Promise<Schedule | null> {
    const row = this.#sql.get.get({ id });
    return row ? readSchedule(row) : null;
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

  async upcoming(limit: number): Promise<Schedule[]> {
    return this.#sql.upcoming.all({ limit }).map(readSchedule);
  }

  update(id: string, change: ScheduleChange, revision?: number): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.updateNow(id, change, revision));
  }

  updateNow(id: string, change: ScheduleChange, revision?: number): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    if ("refused" in found) return found;
    if (revision !== undefined && revision !== found.revision)
      return { refused: "revision", schedule: found };
    const taken = change.name === undefined ? null : this.#nameTaken({ ...found, name: change.name }, id);
    return taken ?? this.#change(found, change);
  }

  /** Gives a schedule the spans that its named blackouts stand for now. */
  observeAgain(id: string): void {
    this.updateNow(id, {});
  }

  #change(before: Schedule, change: ScheduleChange): Schedule {
    const now = this.#env.now();
    const merged = { ...before, ...given(change) };
    if (merged.locking !== before.locking) refuseUnlockable(this.#options.locksBy, merged.locking);
    const respec = JSON.stringify(merged.spec) !== JSON.stringify(before.spec);
    const anchor = change.anchor ?? this.#anchorOf(merged, respec ? now : before.anchor);
    const after: Definition = this.#observed({ ...merged, anchor });
    const retimed = timing(after) !== timing(before);
    const state = retimed && before.state === "finished" ? "active" : before.state;

    if (retimed) this.#recordUnstarted(before, now);
    this.#sql.update.run({ id: before.id, ...columns(after), state, revision: before.revision, now });
    this.#lists.link(before.id, after.policy.blackoutNames);
    this.#sql.insertRevision.run({ id: before.id, now, tzdata: this.#options.tzdata });
    if (objectives(after) !== objectives(before)) this.#options.objectives.changed(before, after.policy);
    if (after.policy.priority !== before.policy.priority)
      this.#sql.setPriority.run({ id: before.id, priority: after.policy.priority });
    if (!retimed) return this.#read(before.id);
    if (this.#nodeOf(after) !== this.#nodeOf(before))
      this.#ledger.stop(before.id, this.#nodeOf(before), "deleted");
    this.#ledger.restart(before.id, this.#nodeOf(after), now);
    return this.#read(before.id);
  }

  pause(
    id: string,
    { note, by, until }: { note: string; by: string; until: Millis | null },
  ): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.pauseNow(id, { note, by, until }));
  }

  pauseNow(id: string, pause: Omit<Pause, "at">): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    return "refused" in found || found.state === "finished" ? found : this.#pause(found, pause);
  }

  #pause(found: Schedule, { note, by, until }: Omit<Pause, "at">): Schedule {
    const { id } = found;
    const now = this.#env.now();
    const at = found.pause?.at ?? now; // Pausing again changes the note, not the moment.
    const pause: Pause = { note, by, at, until };
    this.#sql.setState.run({ id, state: "paused", pause: JSON.stringify(pause), deletedBy: null, now });
    this.#ledger.stop(id, this.#nodeOf(found), "paused");
    return this.#read(id);
  }

  resume(id: string): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.resumeNow(id));
  }

  resumeNow(id: string): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    return "refused" in found || found.state !== "paused" ? found : this.#activate(found);
  }

  /** From now on it fires; what was not accounted for until now is recorded. */
  #activate(found: Schedule): Schedule {
    const { id } = found;
    const now = this.#env.now();
    this.#recordUnstarted(found, now);
    this.#sql.setState.run({ id, state: "active", pause: null, deletedBy: null, now });
    this.#ledger.restart(id, this.#nodeOf(found), now);
    return this.#read(id);
  }

  delete(id: string, by: string): Promise<Schedule | ScheduleRefusal> {
    return this.#group.write(() => this.deleteNow(id, by));
  }

  deleteNow(id: string, by: string): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    return "refused" in found ? found : this.#end(found, by);
  }

  apply(steps: readonly ScheduleStep[]): Promise<ScheduleRefusal | null> {
    return applySteps(this.#group, this, steps);
  }

  #end(found: Schedule, by: string): Schedule {
    const now = this.#env.now();
    this.#recordUnstarted(found, now);
    const kept = by === UNDECLARED && isByPeople(found) ? JSON.stringify(found.pause) : null;
    this.#sql.setState.run({ id: found.id, state: "deleted", pause: kept, deletedBy: by, now });
    this.#ledger.stop(found.id, this.#nodeOf(found), "deleted");
    this.#options.objectives.changed(found, null);
    return this.#read(found.id);
  }

  /** Everything up to now gets its row before the plan changes: what is not accounted for yet will not start. */
  #recordUnstarted(found: Schedule, now: Millis): void {
    const node = this.#nodeOf(found);
    if (found.state === "paused") this.#ledger.recordQuiet(found.id, node, "paused", now);
    if (found.state === "active") this.#ledger.recordQuiet(found.id, node, "deleted", now);
  }

  declare(owner: Owner, declared: readonly NewSchedule[]): Promise<DeclaredChange[]> {
    return this.#group.write(() => {
      const key = { tenant: declared[0]?.tenant ?? "", ownerKind: owner.kind, ownerName: owner.name };
      const before = new Map(this.#sql.declared.all(key).map((row) => [row.declared_id, row]));
      const changes = declared.map((wanted): DeclaredChange => {
        const row = before.get(wanted.declaredId);
        before.delete(wanted.declaredId);
        return row ? this.#redeclare(row, wanted) : this.#declareNew(wanted);
      });
      for (const row of before.values()) {
        if (row.state === "deleted") continue;
        this.#ledger.account(row.id, this.#env.now());
        this.#end(this.#read(row.id), UNDECLARED);
        changes.push({ id: row.id, declaredId: row.declared_id, change: "deleted" });
      }
      return changes;
    });
  }

  #declareNew(wanted: NewSchedule): DeclaredChange {
    const id = newId(this.#env, "SC");
    this.#insert({ ...wanted, id, name: this.#nameTaken(wanted) ? "" : wanted.name });
    this.#sql.setDeclaredPaused.run({ id, paused: wanted.paused ? 1 : 0 });
    return { id, declaredId: wanted.declaredId, change: "created" };
  }

  /** What a person deleted or paused stays so; what merely was not declared for a while comes back as it was. */
  #redeclare(row: ScheduleRow & { next_occurrence: number | null }, declared: NewSchedule): DeclaredChange {
    const before = readSchedule(row);
    const { id, declaredId } = before;
    const gone = before.state === "deleted";
    if (gone && row.deleted_by !== UNDECLARED) return { id, declaredId, change: "unchanged" };
    // A name that it had to do without, or that somebody took while it was away, it does not fight for.
    const name = this.#nameTaken(before, id) ? "" : before.name;
    const wanted = this.#observed({ ...declared, name });
    const anchor = wanted.anchor ?? this.#anchorOf(wanted, before.anchor);
    const same = isDeepStrictEqual(columns({ ...wanted, anchor }), columns(before));
    // What is due is the ticker's, as long as nothing changes: it knows whether the clock is believed.
    if (!gone && !(same && followsPause(row, wanted))) this.#ledger.account(id, this.#env.now());
    if (!same)
      this.#change(this.#read(id), { ...wanted, anchor: sameSpec(wanted, before) ? anchor : undefined });
    const moved = gone ? this.#revive(row, wanted) : this.#followPause(row, wanted);
    return { id, declaredId, change: gone ? "revived" : same && !moved ? "unchanged" : "updated" };
  }

  #revive(row: ScheduleRow, { paused }: NewSchedule): boolean {
    const pause = readPause(row) ?? (paused && { ...paused, until: null });
    this.#sql.setDeclaredPaused.run({ id: row.id, paused: paused ? 1 : 0 });
    const active = this.#activate(this.#read(row.id));
    this.#lists.link(row.id, active.policy.blackoutNames); // A list that was deleted meanwhile has forgotten it.
    if (pause && active.state === "active") this.#pause(active, pause);
    return true;
  }

  /** A declaration that says something new about its pause is followed; one that repeats itself leaves it to people. */
  #followPause(row: ScheduleRow, { paused }: NewSchedule): boolean {
    if (followsPause(row, { paused })) return false;
    this.#sql.setDeclaredPaused.run({ id: row.id, paused: paused ? 1 : 0 });
    const found = this.#read(row.id);
    if (paused && found.state === "active") this.#pause(found, { ...paused, until: null });
    if (!paused && found.state === "paused" && !isByPeople(found)) this.#activate(found);
    return true;
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
    { from, to }: { from?: Millis; to?: Millis },
    page: PageRequest,
  ): Promise<Page<Occurrence>> {
    const limit = pageLimit(page);
    const after = readCursor(page.cursor ?? FIRST_CURSOR);
    const rows = this.#sql.ledger.all({
      id,
      from: from ?? Number.MIN_SAFE_INTEGER,
      to: to ?? Number.MAX_SAFE_INTEGER,
      afterOccurrence: after.occurrence,
      afterNode: after.node,
      limit: limit + 1,
    });
    return pageOf(rows, limit, readOccurrence, cursorOf);
  }

  async ledgerEnd(id: string, page: PageRequest): Promise<Page<Occurrence>> {
    const limit = pageLimit(page);
    const before = readCursor(page.cursor ?? LAST_CURSOR);
    const rows = this.#sql.ledgerEnd.all({
      id,
      beforeOccurrence: before.occurrence,
      beforeNode: before.node,
      limit: limit + 1,
    });
    const { items, cursor } = pageOf(rows, limit, readOccurrence, cursorOf);
    return { items: items.toReversed(), cursor };
  }

  async counts(): Promise<Record<ScheduleState, number>> {
    const counts = new Map(this.#sql.counts.all().map(({ state, count }) => [state, count]));
    const pairs = SCHEDULE_STATES.map((state) => [state, counts.get(state) ?? 0] as const);
    return Object.fromEntries(pairs) as Record<ScheduleState, number>;
  }

  findNow(id: string): Schedule | ScheduleRefusal {
    const row = this.#sql.get.get({ id });
    if (!row) return { refused: "not-found" };
    const found = readSchedule(row);
    return found.state === "deleted" ? { refused: "deleted", schedule: found } : found;
  }

  /** The schedule with everything up to now accounted for, or why it cannot be changed. */
  #settled(id: string): Schedule | ScheduleRefusal {
    const found = this.findNow(id);
    if ("refused" in found) return found;
    this.#ledger.account(id, this.#env.now());
    return this.#read(id);
  }

  #nameTaken(
    { tenant, owner, name }: Pick<Schedule, "tenant" | "owner" | "name">,
    self?: string,
  ): ScheduleRefusal | null {
    const row = this.#sql.ownName.get({ tenant, ownerKind: owner.kind, ownerName: owner.name, name });
    return row && row.id !== self ? { refused: "name-taken", schedule: readSchedule(row) } : null;
  }

  /** The definition with the spans that its named blackouts stand for now. Throws a Fault for one that is not there. */
  #observed<D extends Pick<Definition, "policy">>(definition: D): D {
    const { policy } = definition;
    if (policy.blackoutNames.length === 0) return definition;
    const blackouts = [...ownSpans(policy), ...this.#lists.spansOfAll(policy.blackoutNames)];
    return { ...definition, policy: { ...policy, blackouts } };
  }

  #anchorOf(schedule: Pick<Definition, "spec" | "locking">, otherwise: Millis): Millis {
    return gridAnchor(this.#options.locksBy, schedule, otherwise);
  }

  #nodeOf({ locking }: Pick<Schedule, "locking">): string {
    return locking === "node-local" ? this.#options.nodeId : "";
  }

  #read(id: string): Schedule {
    const row = this.#sql.get.get({ id });
    if (!row) throw new Error(`Schedule ${id} vanished inside a transaction.`);
    return readSchedule(row);
  }
}

/** Before every row of a ledger. */
const FIRST_CURSOR = `${Number.MIN_SAFE_INTEGER}@`;
const LAST_CURSOR = `${Number.MAX_SAFE_INTEGER}@`;

function cursorOf({ occurrence, node }: OccurrenceRow): string {
  return `${occurrence}@${node}`;
}

function readCursor(cursor: string): { occurrence: Millis; node: string } {
  const [, occurrence, node] = /^(-?\d{1,16})@(.*)$/.exec(cursor) ?? [];
  if (occurrence === undefined || node === undefined) throw noCursor(cursor);
  return { occurrence: Number(occurrence), node };
}

/** Kept in `deleted_by` when a declaration stopped naming the schedule. */
const UNDECLARED = "declaration";

/** True when a declaration says nothing new about its pause. */
function followsPause(row: ScheduleRow, { paused }: Pick<NewSchedule, "paused">): boolean {
  return (row.declared_paused === 1) === (paused !== null);
}

/** True when a schedule is paused, and not because its declaration says so. */
function isByPeople({ pause, owner }: Schedule): boolean {
  return pause !== null && pause.by !== `${owner.kind}:${owner.name}`;
}

function columns(definition: Definition) {
  return {
    tenant: definition.tenant,
    name: definition.name,
    ownerKind: definition.owner.kind,
    ownerName: definition.owner.name,
    declaredId: definition.declaredId,
    targetKind: definition.target.kind,
    target: targetText(definition.target),
    spec: JSON.stringify(definition.spec),
    timezone: definition.timezone,
    anchor: definition.anchor,
    policy: writePolicy(definition.policy),
    locking: definition.locking,
    description: definition.description,
    metadata: JSON.stringify(definition.metadata),
    payload: new Uint8Array(definition.payload), // A Buffer with the same bytes is no change.
  };
}

/** Everything that decides when occurrences are: a change of it moves the cursor. */
function timing({
  spec,
  timezone,
  anchor,
  policy,
  locking,
}: Pick<Schedule, "spec" | "timezone" | "anchor" | "policy" | "locking">): string {
  const { jitterMs, dstGap, dstFold, startAt, endAt, runsMax, blackouts } = policy;
  return JSON.stringify([
    spec,
    timezone,
    anchor,
    locking,
    jitterMs,
    dstGap,
    dstFold,
    startAt,
    endAt,
    runsMax,
    blackouts,
  ]);
}

/** What is wanted of its runs: a change of it is told to those who watch. */
function objectives({
  policy: { mustStartWithinMs, mustSucceedWithinMs },
}: Pick<Schedule, "policy">): string {
  return JSON.stringify([mustStartWithinMs, mustSucceedWithinMs]);
}

function sameSpec(a: Pick<Schedule, "spec">, b: Pick<Schedule, "spec">): boolean {
  return JSON.stringify(a.spec) === JSON.stringify(b.spec);
}

/** The fields of a change that were given. */
function given(change: ScheduleChange): Partial<Definition> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
