/**
 * What people and plugins do to schedules, each verb inside the caller's transaction.
 * What is due is settled in ledger.ts; every change here first accounts for everything
 * up to now under the definition that was in force.
 */
import type { Database } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { gridAnchor, type LocksBy, refuseUnlockable } from "../../schedule/lock.ts";
import { ownSpans } from "../../schedule/named-blackout.ts";
import type { Pause, Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule, ScheduleChange, ScheduleRefusal } from "../schedules.ts";
import { BlackoutSql } from "./blackouts.ts";
import { columns, type Definition, given, objectives, timing } from "./definition.ts";
import type { Ledger } from "./ledger.ts";
import type { SqliteObjectives } from "./objectives.ts";
import { readSchedule } from "./schedule-row.ts";
import type { ScheduleSql } from "./schedule-sql.ts";

/** Kept in `deleted_by` when a declaration stopped naming the schedule. */
export const UNDECLARED = "declaration";

/** What schedules are kept by. */
export interface ScheduleVerbsParts {
  db: Database;
  sql: ScheduleSql;
  ledger: Ledger;
  objectives: SqliteObjectives;
  /** The stable id of this node: where a node-local schedule keeps its cursor. */
  nodeId: string;
  /** Who keeps the locks of occurrences. */
  locksBy: LocksBy;
  /** Version of the time zone data, kept with every revision. */
  tzdata: string;
}

export class ScheduleVerbs {
  readonly #env: Env;
  readonly #sql: ScheduleSql;
  readonly #ledger: Ledger;
  readonly #lists: BlackoutSql;
  readonly #options: ScheduleVerbsParts;

  constructor(env: Env, parts: ScheduleVerbsParts) {
    this.#env = env;
    this.#options = parts;
    this.#sql = parts.sql;
    this.#ledger = parts.ledger;
    this.#lists = new BlackoutSql(parts.db);
  }

  create(schedule: NewSchedule): Schedule | ScheduleRefusal {
    return this.nameTaken(schedule) ?? this.insert(schedule);
  }

  /** Writes one whose name is free. */
  insert(schedule: NewSchedule): Schedule {
    refuseUnlockable(this.#options.locksBy, schedule.locking);
    const now = this.#env.now();
    const definition = this.observed({
      ...schedule,
      anchor: schedule.anchor ?? this.anchorOf(schedule, now),
    });
    const pause = schedule.paused && JSON.stringify({ until: null, ...schedule.paused, at: now });
    this.#sql.insert.run({
      id: schedule.id,
      ...columns(definition),
      state: pause ? "paused" : "active",
      pause,
      now,
    });
    const { id, runCount = 0 } = schedule;
    if (runCount > 0) this.#sql.ran.run({ id, count: runCount, at: null, jobId: null });
    this.#lists.link(schedule.id, definition.policy.blackoutNames);
    this.#sql.insertRevision.run({ id: schedule.id, now, tzdata: this.#options.tzdata });
    this.#ledger.restart(schedule.id, this.#nodeOf(schedule), now);
    return this.read(schedule.id);
  }

  update(id: string, change: ScheduleChange, revision?: number): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    if ("refused" in found) return found;
    if (revision !== undefined && revision !== found.revision)
      return { refused: "revision", schedule: found };
    const taken = change.name === undefined ? null : this.nameTaken({ ...found, name: change.name }, id);
    return taken ?? this.change(found, change);
  }

  /** Gives a schedule the spans that its named blackouts stand for now. */
  observeAgain(id: string): void {
    this.update(id, {});
  }

  /** Changes one that is accounted for. */
  change(before: Schedule, change: ScheduleChange): Schedule {
    const now = this.#env.now();
    const merged = { ...before, ...given(change) };
    if (merged.locking !== before.locking) refuseUnlockable(this.#options.locksBy, merged.locking);
    const respec = JSON.stringify(merged.spec) !== JSON.stringify(before.spec);
    const anchor = change.anchor ?? this.anchorOf(merged, respec ? now : before.anchor);
    const after: Definition = this.observed({ ...merged, anchor });
    const retimed = timing(after) !== timing(before);
    const state = retimed && before.state === "finished" ? "active" : before.state;

    if (retimed) this.#recordUnstarted(before, now);
    this.#sql.update.run({ id: before.id, ...columns(after), state, revision: before.revision, now });
    this.#lists.link(before.id, after.policy.blackoutNames);
    this.#sql.insertRevision.run({ id: before.id, now, tzdata: this.#options.tzdata });
    if (objectives(after) !== objectives(before)) this.#options.objectives.changed(before, after.policy);
    if (after.policy.priority !== before.policy.priority)
      this.#sql.setPriority.run({ id: before.id, priority: after.policy.priority });
    if (!retimed) return this.read(before.id);
    if (this.#nodeOf(after) !== this.#nodeOf(before))
      this.#ledger.stop(before.id, this.#nodeOf(before), "deleted");
    this.#ledger.restart(before.id, this.#nodeOf(after), now);
    return this.read(before.id);
  }

  pause(id: string, pause: Omit<Pause, "at">): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    return "refused" in found || found.state === "finished" ? found : this.halt(found, pause);
  }

  /** Pauses one that is accounted for. */
  halt(found: Schedule, { note, by, until }: Omit<Pause, "at">): Schedule {
    const { id } = found;
    const now = this.#env.now();
    const at = found.pause?.at ?? now; // Pausing again changes the note, not the moment.
    const pause: Pause = { note, by, at, until };
    this.#sql.setState.run({ id, state: "paused", pause: JSON.stringify(pause), deletedBy: null, now });
    this.#ledger.stop(id, this.#nodeOf(found), "paused");
    return this.read(id);
  }

  resume(id: string): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    return "refused" in found || found.state !== "paused" ? found : this.activate(found);
  }

  /** From now on it fires; what was not accounted for until now is recorded. */
  activate(found: Schedule): Schedule {
    const { id } = found;
    const now = this.#env.now();
    this.#recordUnstarted(found, now);
    this.#sql.setState.run({ id, state: "active", pause: null, deletedBy: null, now });
    this.#ledger.restart(id, this.#nodeOf(found), now);
    return this.read(id);
  }

  delete(id: string, by: string): Schedule | ScheduleRefusal {
    const found = this.#settled(id);
    return "refused" in found ? found : this.end(found, by);
  }

  /** Deletes one that is accounted for. */
  end(found: Schedule, by: string): Schedule {
    const now = this.#env.now();
    this.#recordUnstarted(found, now);
    const kept = by === UNDECLARED && isByPeople(found) ? JSON.stringify(found.pause) : null;
    this.#sql.setState.run({ id: found.id, state: "deleted", pause: kept, deletedBy: by, now });
    this.#ledger.stop(found.id, this.#nodeOf(found), "deleted");
    this.#options.objectives.changed(found, null);
    return this.read(found.id);
  }

  /** Everything up to now gets its row before the plan changes: what is not accounted for yet will not start. */
  #recordUnstarted(found: Schedule, now: Millis): void {
    const node = this.#nodeOf(found);
    if (found.state === "paused") this.#ledger.recordQuiet(found.id, node, "paused", now);
    if (found.state === "active") this.#ledger.recordQuiet(found.id, node, "deleted", now);
  }

  find(id: string): Schedule | ScheduleRefusal {
    const row = this.#sql.get.get({ id });
    if (!row) return { refused: "not-found" };
    const found = readSchedule(row);
    return found.state === "deleted" ? { refused: "deleted", schedule: found } : found;
  }

  /** The schedule with everything up to now accounted for, or why it cannot be changed. */
  #settled(id: string): Schedule | ScheduleRefusal {
    const found = this.find(id);
    if ("refused" in found) return found;
    this.#ledger.account(id, this.#env.now());
    return this.read(id);
  }

  /** Why a name cannot be given; null when it can. */
  nameTaken(
    { tenant, owner, name }: Pick<Schedule, "tenant" | "owner" | "name">,
    self?: string,
  ): ScheduleRefusal | null {
    const row = this.#sql.ownName.get({ tenant, ownerKind: owner.kind, ownerName: owner.name, name });
    return row && row.id !== self ? { refused: "name-taken", schedule: readSchedule(row) } : null;
  }

  /** The definition with the spans that its named blackouts stand for now. Throws a Fault for one that is not there. */
  observed<D extends Pick<Definition, "policy">>(definition: D): D {
    const { policy } = definition;
    if (policy.blackoutNames.length === 0) return definition;
    const blackouts = [...ownSpans(policy), ...this.#lists.spansOfAll(policy.blackoutNames)];
    return { ...definition, policy: { ...policy, blackouts } };
  }

  /** Where the grid of an interval begins. */
  anchorOf(schedule: Pick<Definition, "spec" | "locking">, otherwise: Millis): Millis {
    return gridAnchor(this.#options.locksBy, schedule, otherwise);
  }

  #nodeOf({ locking }: Pick<Schedule, "locking">): string {
    return locking === "node-local" ? this.#options.nodeId : "";
  }

  /** One that is there. */
  read(id: string): Schedule {
    const row = this.#sql.get.get({ id });
    if (!row) throw new Error(`Schedule ${id} vanished inside a transaction.`);
    return readSchedule(row);
  }

  /** Writes which named blackouts it observes. */
  link({ id, policy }: Schedule): void {
    this.#lists.link(id, policy.blackoutNames);
  }
}

/** True when a schedule is paused, and not because its declaration says so. */
export function isByPeople({ pause, owner }: Schedule): boolean {
  return pause !== null && pause.by !== `${owner.kind}:${owner.name}`;
}
