/**
 * Mending: finds what nobody would look after again, and sets it right, each in the
 * transaction of the event that tells of it.
 *
 * Looking costs what is wrong, not what exists: cursors that nobody meant to stop and rows
 * that are open have indexes of their own, and a job or a cursor that is deleted leaves a
 * note behind, by a trigger, whoever deletes it. The core deletes none but old jobs.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { type Damage, type Repair, repairSentence } from "../../schedule/damage.ts";
import type { Repaired } from "../ledger.ts";
import { Alone } from "./alone.ts";
import type { SqliteEvents } from "./events.ts";
import type { Ledger } from "./ledger.ts";
import { type Look, type MendingRow, MendingSql } from "./mending-sql.ts";

/** A cursor that is due later than this, while somebody waits and nothing runs, was set by a clock that went wrong. */
const LATER_MS: Millis = 60_000;

export interface MendingParts {
  db: Database;
  accounts: Ledger;
  events: SqliteEvents;
}

export class Mending {
  readonly #env: Env;
  readonly #sql: MendingSql;
  readonly #accounts: Ledger;
  readonly #events: SqliteEvents;
  readonly #alone: Alone;
  readonly #finders: readonly Finder[];

  constructor(env: Env, { db, accounts, events }: MendingParts) {
    this.#env = env;
    this.#sql = new MendingSql(db);
    this.#alone = new Alone(db);
    this.#accounts = accounts;
    this.#events = events;
    const { cursorsGone, idle, runsGone, leftOpen } = this.#sql;
    // In this order: an occurrence that is open is looked at by its cursor.
    this.#finders = [
      { find: cursorsGone, read: readCursorGone, repair: (row) => this.#restore(row) },
      { find: idle, read: readIdle, repair: (row) => this.#goOn(row) },
      { find: runsGone, read: readRunGone, repair: (row) => this.#makeAgain(row) },
      { find: leftOpen, read: readLeftOpen, repair: (row) => this.#close(row) },
    ];
  }

  /** Up to `limit` things that are wrong. */
  find(limit: number): Damage[] {
    return this.#finders.flatMap(({ find, read }) => find.all(this.#looked(limit)).map(read)).slice(0, limit);
  }

  /**
   * Sets up to `limit` of each kind right. One that cannot be throws; when `careful`, only if
   * nothing else was left to do: it must not keep the others from being repaired.
   */
  repair(limit: number, careful: boolean): Repaired[] {
    const repaired: Repaired[] = [];
    let failure: unknown = null;
    for (const { find, read, repair } of this.#finders) {
      for (const row of find.all(this.#looked(limit))) {
        const mend = () => void repaired.push(this.#told(read(row), repair(row)));
        if (careful) failure = this.#alone.attempt(mend) ?? failure;
        else mend();
      }
    }
    if (failure !== null && repaired.length === 0) throw failure;
    return repaired;
  }

  #looked(limit: number): Look {
    const now = this.#env.now();
    return { limit, now, later: now + LATER_MS };
  }

  #told(damage: Damage, repair: Repair): Repaired {
    const sentence = repairSentence(damage, repair);
    const { kind, scheduleId: subject } = damage;
    this.#events.addNow({
      kind: "schedule.repaired",
      subject,
      message: sentence,
      data: { damage: kind, repair },
    });
    return { damage, repair, sentence };
  }

  /** The note knows where the cursor stood. */
  #restore({ schedule_id: id, node, accounted_until: since, state, current }: MendingRow): Repair {
    this.#sql.restoreCursor.run({ id, node, accountedUntil: since });
    this.#sql.forgetCursor.run({ id, node });
    // One that was left behind stands still: beside the one in use it would fire everything twice.
    const goesOn = current === 1 && (state === "active" || state === "paused");
    if (goesOn) this.#accounts.restart(id, node, since ?? 0);
    return "restored";
  }

  /** One that planned nothing until now, because a hand woke it up, begins now. */
  #goOn({ schedule_id: id, node, accounted_until: since, planned }: MendingRow): Repair {
    this.#accounts.restart(id, node, planned === 1 && since !== null ? since : this.#env.now());
    return "restarted";
  }

  #makeAgain(row: MendingRow): Repair {
    const { schedule_id: id, node, occurrence, job_id: jobId, ended } = row;
    this.#sql.forgetRun.run({ jobId });
    const again = ended === 0 && this.#accounts.makeAgain(row);
    if (!again) this.#sql.noteGone.run({ id, node, occurrence, jobId });
    return again ? "made-again" : "noted";
  }

  #close({ schedule_id: id, node, occurrence, state, count, current }: MendingRow): Repair {
    const now = this.#env.now();
    if (state === "active" && current === 1 && count === 1) {
      this.#sql.lookAt.run({ id, node, dueAt: now });
      return "looked-at";
    }
    const outcome = state === "paused" ? "paused" : state === "active" ? "skipped-missed" : "deleted";
    this.#sql.closeLeft.run({ id, node, occurrence, outcome, now });
    return "closed";
  }
}

interface Finder {
  find: Statement<MendingRow, [Look]>;
  read(row: MendingRow): Damage;
  repair(row: MendingRow): Repair;
}

const readCursorGone = ({ schedule_id: scheduleId, node }: MendingRow): Damage => ({
  kind: "cursor-gone",
  scheduleId,
  node,
});

const readIdle = ({ schedule_id: scheduleId, node }: MendingRow): Damage => ({
  kind: "idle",
  scheduleId,
  node,
});

const readRunGone = (row: MendingRow): Damage => ({
  kind: "run-gone",
  scheduleId: row.schedule_id,
  node: row.node,
  occurrence: row.occurrence,
  jobId: row.job_id,
  ended: row.ended === 1,
});

const readLeftOpen = ({ schedule_id: scheduleId, node, occurrence }: MendingRow): Damage => ({
  kind: "left-open",
  scheduleId,
  node,
  occurrence,
});
