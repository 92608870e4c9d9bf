/**
 * Named blackouts in SQLite. A change of one is a change of every schedule that
 * observes it, in the same transaction: each is accounted for up to now, gets the new
 * spans and a revision that says from when they hold.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { Fault } from "../../base/fault.ts";
import { BLACKOUT_USES_MAX, type NamedBlackout, noBlackout, spansOf } from "../../schedule/named-blackout.ts";
import type { BlackoutRange } from "../../schedule/named-blackout.ts";
import type { Blackout } from "../../schedule/schedule.ts";
import type { BlackoutInUse, BlackoutSet, BlackoutStore, NewBlackout } from "../blackouts.ts";
import type { Page, PageRequest } from "../page.ts";
import type { GroupCommit } from "./group.ts";
import { pageLimit, pageOf } from "./page.ts";

type Values = Record<string, string | number>;

interface BlackoutRow {
  name: string;
  timezone: string;
  description: string;
  ranges: string;
  created_at: number;
  updated_at: number;
}

interface User {
  id: string;
  name: string;
}

/** What a change of a list does to the schedules: part of ScheduleVerbs. */
export interface Observers {
  /** Gives a schedule the spans that its names stand for now. Inside the caller's transaction. */
  observeAgain(id: string): void;
}

export class SqliteBlackouts implements BlackoutStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #sql: BlackoutSql;
  readonly #observers: Observers;

  constructor(env: Env, db: Database, group: GroupCommit, observers: Observers) {
    this.#env = env;
    this.#group = group;
    this.#sql = new BlackoutSql(db);
    this.#observers = observers;
  }

  async list(page: PageRequest): Promise<Page<NamedBlackout>> {
    const limit = pageLimit(page);
    const rows = this.#sql.list.all({ after: page.cursor ?? "", limit: limit + 1 });
    return pageOf(rows, limit, readBlackout, (row) => row.name);
  }

  async get(name: string): Promise<NamedBlackout | null> {
    return this.#sql.read(name);
  }

  async usersOf(name: string, limit: number): Promise<User[]> {
    return this.#sql.users.all({ name, limit });
  }

  set(blackout: NewBlackout): Promise<BlackoutSet> {
    return this.#group.write(() => this.setNow(blackout));
  }

  /** `set` inside the caller's transaction. */
  setNow(blackout: NewBlackout): BlackoutSet {
    const { name, timezone, description } = blackout;
    const before = this.#sql.read(name);
    const ranges = JSON.stringify(blackout.ranges);
    this.#sql.put.run({ name, timezone, description, ranges, now: this.#env.now() });
    const after = this.#sql.mustRead(name);
    const moved = before !== null && !sameSpans(before, after);
    return { blackout: after, created: before === null, schedules: moved ? this.#tellUsers(name) : 0 };
  }

  #tellUsers(name: string): number {
    const users = this.#sql.users.all({ name, limit: BLACKOUT_USES_MAX + 1 });
    if (users.length > BLACKOUT_USES_MAX) {
      throw new Fault("exhausted", `More than ${BLACKOUT_USES_MAX} schedules observe the blackout ${name}.`, {
        hint: "Make another one for some of them: all change in one step.",
      });
    }
    for (const { id } of users) this.#observers.observeAgain(id);
    return users.length;
  }

  delete(name: string): Promise<NamedBlackout | null | BlackoutInUse> {
    return this.#group.write(() => {
      const found = this.#sql.read(name);
      if (!found) return null;
      const users = this.#sql.users.all({ name, limit: USERS_SHOWN_MAX });
      if (users.length > 0) return { inUse: users };
      this.#sql.unlinkAll.run({ name }); // Of schedules that are deleted.
      this.#sql.remove.run({ name });
      return found;
    });
  }
}

const USERS_SHOWN_MAX = 100; // A list that somebody reads.

/** The statements, and what the schedules ask for inside their own transactions. */
export class BlackoutSql {
  readonly list: Statement<BlackoutRow, [Values]>;
  readonly put: Statement<unknown, [Values]>;
  readonly users: Statement<User, [Values]>;
  readonly remove: Statement<unknown, [Values]>;
  readonly unlinkAll: Statement<unknown, [Values]>;
  readonly #get: Statement<BlackoutRow, [Values]>;
  readonly #unlink: Statement<unknown, [Values]>;
  readonly #link: Statement<unknown, [Values]>;

  constructor(db: Database) {
    this.list = db.prepare("SELECT * FROM blackout WHERE name > $after ORDER BY name LIMIT $limit + 0");
    this.put = db.prepare(PUT);
    this.users = db.prepare(USERS);
    this.remove = db.prepare("DELETE FROM blackout WHERE name = $name");
    this.unlinkAll = db.prepare("DELETE FROM schedule_blackout WHERE blackout = $name");
    this.#get = db.prepare("SELECT * FROM blackout WHERE name = $name");
    this.#unlink = db.prepare("DELETE FROM schedule_blackout WHERE schedule_id = $id");
    this.#link = db.prepare("INSERT INTO schedule_blackout (blackout, schedule_id) VALUES ($name, $id)");
  }

  /** Null when there is none. */
  read(name: string): NamedBlackout | null {
    const row = this.#get.get({ name });
    return row ? readBlackout(row) : null;
  }

  /** One that was just written. */
  mustRead(name: string): NamedBlackout {
    const found = this.read(name);
    if (!found) throw new Error(`Blackout ${name} vanished inside a transaction.`);
    return found;
  }

  /** The spans that names stand for now. Throws a Fault for one that does not exist. */
  spansOfAll(names: readonly string[]): Blackout[] {
    return names.flatMap((name) => {
      const found = this.read(name);
      if (found) return spansOf(found);
      throw noBlackout(name);
    });
  }

  /** Notes which lists a schedule observes. */
  link(id: string, names: readonly string[]): void {
    this.#unlink.run({ id });
    for (const name of names) this.#link.run({ id, name });
  }
}

function sameSpans(a: NamedBlackout, b: NamedBlackout): boolean {
  return JSON.stringify(spansOf(a)) === JSON.stringify(spansOf(b));
}

function readBlackout(row: BlackoutRow): NamedBlackout {
  return {
    name: row.name,
    timezone: row.timezone,
    description: row.description,
    ranges: JSON.parse(row.ranges) as BlackoutRange[],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

const PUT = `
  INSERT INTO blackout (name, timezone, description, ranges, created_at, updated_at)
  VALUES ($name, $timezone, $description, $ranges, $now, $now)
  ON CONFLICT (name) DO UPDATE
     SET timezone    = excluded.timezone,
         description = excluded.description,
         ranges      = excluded.ranges,
         updated_at  = excluded.updated_at`;

const USERS = `
  SELECT s.id, s.name
    FROM schedule_blackout b
    JOIN schedule s ON s.id = b.schedule_id
   WHERE b.blackout = $name
     AND s.state <> 'deleted'
   ORDER BY s.id
   LIMIT $limit + 0`;
