/**
 * Declarations: schedules that a plugin or the configuration states again at every
 * start, made equal to what is stated, inside the caller's transaction. What people
 * did to one since stays done.
 */
import { isDeepStrictEqual } from "node:util";
import type { Env } from "../../base/env.ts";
import { newId } from "../../base/id.ts";
import type { Owner } from "../../schedule/schedule.ts";
import type { DeclaredChange, NewSchedule } from "../schedules.ts";
import { columns, sameSpec } from "./definition.ts";
import type { Ledger } from "./ledger.ts";
import { readPause, readSchedule, type ScheduleRow } from "./schedule-row.ts";
import type { ScheduleSql } from "./schedule-sql.ts";
import { isByPeople, type ScheduleVerbs, UNDECLARED } from "./schedule-verbs.ts";

export class Declarations {
  readonly #env: Env;
  readonly #sql: ScheduleSql;
  readonly #ledger: Ledger;
  readonly #verbs: ScheduleVerbs;

  constructor(env: Env, { sql, ledger, verbs }: { sql: ScheduleSql; ledger: Ledger; verbs: ScheduleVerbs }) {
    this.#env = env;
    this.#sql = sql;
    this.#ledger = ledger;
    this.#verbs = verbs;
  }

  /** Makes the schedules that an owner declared equal to the list. */
  declare(owner: Owner, declared: readonly NewSchedule[]): DeclaredChange[] {
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
      this.#verbs.end(this.#verbs.read(row.id), UNDECLARED);
      changes.push({ id: row.id, declaredId: row.declared_id, change: "deleted" });
    }
    return changes;
  }

  #declareNew(wanted: NewSchedule): DeclaredChange {
    const id = newId(this.#env, "SC");
    this.#verbs.insert({ ...wanted, id, name: this.#verbs.nameTaken(wanted) ? "" : wanted.name });
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
    const name = this.#verbs.nameTaken(before, id) ? "" : before.name;
    const wanted = this.#verbs.observed({ ...declared, name });
    const anchor = wanted.anchor ?? this.#verbs.anchorOf(wanted, before.anchor);
    const same = isDeepStrictEqual(columns({ ...wanted, anchor }), columns(before));
    // What is due is the ticker's, as long as nothing changes: it knows whether the clock is believed.
    if (!gone && !(same && followsPause(row, wanted))) this.#ledger.account(id, this.#env.now());
    if (!same)
      this.#verbs.change(this.#verbs.read(id), {
        ...wanted,
        anchor: sameSpec(wanted, before) ? anchor : undefined,
      });
    const moved = gone ? this.#revive(row, wanted) : this.#followPause(row, wanted);
    return { id, declaredId, change: gone ? "revived" : same && !moved ? "unchanged" : "updated" };
  }

  #revive(row: ScheduleRow, { paused }: NewSchedule): boolean {
    const pause = readPause(row) ?? (paused && { ...paused, until: null });
    this.#sql.setDeclaredPaused.run({ id: row.id, paused: paused ? 1 : 0 });
    const active = this.#verbs.activate(this.#verbs.read(row.id));
    this.#verbs.link(active); // A list that was deleted meanwhile has forgotten it.
    if (pause && active.state === "active") this.#verbs.halt(active, pause);
    return true;
  }

  /** A declaration that says something new about its pause is followed; one that repeats itself leaves it to people. */
  #followPause(row: ScheduleRow, { paused }: NewSchedule): boolean {
    if (followsPause(row, { paused })) return false;
    this.#sql.setDeclaredPaused.run({ id: row.id, paused: paused ? 1 : 0 });
    const found = this.#verbs.read(row.id);
    if (paused && found.state === "active") this.#verbs.halt(found, { ...paused, until: null });
    if (!paused && found.state === "paused" && !isByPeople(found)) this.#verbs.activate(found);
    return true;
  }
}

/** True when a declaration says nothing new about its pause. */
function followsPause(row: ScheduleRow, { paused }: Pick<NewSchedule, "paused">): boolean {
  return (row.declared_paused === 1) === (paused !== null);
}
