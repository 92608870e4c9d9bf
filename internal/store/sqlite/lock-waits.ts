/** Lock waits in SQLite: which occurrences wait for their locks, and what is said of them meanwhile. */
import type { Database, Statement } from "bun:sqlite";
import { lockTtlMs } from "../../schedule/lock.ts";
import type { LockWait } from "../locks.ts";
import { readPolicy } from "./schedule-row.ts";

interface LockWaitRow {
  schedule_id: string;
  node: string;
  occurrence: number;
  lock_key: string;
  policy: string;
}

export class LockWaitSql {
  readonly #list: Statement<LockWaitRow, [Record<string, number>]>;
  readonly #note: Statement<unknown, [Record<string, string>]>;

  constructor(db: Database) {
    this.#list = db.prepare(LIST);
    this.#note = db.prepare(NOTE);
  }

  /** The oldest first. */
  list(limit: number): LockWait[] {
    return this.#list.all({ limit }).map((row) => ({
      scheduleId: row.schedule_id,
      node: row.node,
      occurrence: row.occurrence,
      key: row.lock_key,
      ttlMs: lockTtlMs(readPolicy(row.policy)),
    }));
  }

  /** Says on every row that waits why it still does. */
  note(note: string): void {
    this.#note.run({ note });
  }
}

const LIST = `
  SELECT o.schedule_id, o.node, o.occurrence, o.lock_key, s.policy
    FROM occurrence o INDEXED BY occurrence_lock
    JOIN schedule s ON s.id = o.schedule_id
   WHERE o.lock_key IS NOT NULL
   ORDER BY o.occurrence
   LIMIT $limit`;

const NOTE = `
  UPDATE occurrence INDEXED BY occurrence_lock
     SET note = $note
   WHERE lock_key IS NOT NULL
     AND note <> $note`;
