/** Lock waits in SQLite: which occurrences wait for their locks, and what is said of them meanwhile. */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
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

const FRESH_MS: Millis = 5_000;
export const NOTED_MAX = 1_000; // Some milliseconds; of a hundred thousand that wait, all would hold up everybody.

export class LockWaitSql {
  readonly #list: Statement<LockWaitRow, [Record<string, number>]>;
  readonly #note: Statement<unknown, [Record<string, string | number>]>;

  constructor(db: Database) {
    this.#list = db.prepare(LIST);
    this.#note = db.prepare(NOTE);
  }

  /** Those whose time has just come first, then the oldest: who is behind still starts on time what it can. */
  list(now: Millis, limit: number): LockWait[] {
    const fresh = this.#list.all({ from: now - FRESH_MS, to: Number.MAX_SAFE_INTEGER, limit });
    const older = this.#list.all({ from: 0, to: now - FRESH_MS, limit: limit - fresh.length });
    return [...fresh, ...older].map((row) => ({
      scheduleId: row.schedule_id,
      node: row.node,
      occurrence: row.occurrence,
      key: row.lock_key,
      ttlMs: lockTtlMs(readPolicy(row.policy)),
    }));
  }

  /** Says on the rows that have waited longest why they still do. */
  note(note: string): void {
    this.#note.run({ note, limit: NOTED_MAX });
  }
}

/** Has everything looked at that waits for a lock: who keeps them may be somebody else since, or nobody needed. */
export function lookAtLockWaits(db: Database, { now }: { now: Millis }): void {
  db.query<unknown, Record<string, number>>(LOOK).run({ now });
}

const LOOK = `
  UPDATE schedule_cursor
     SET due_at = MIN(due_at, $now)
   WHERE due_at IS NOT NULL
     AND (schedule_id, node) IN (
           SELECT schedule_id, node
             FROM occurrence INDEXED BY occurrence_lock
            WHERE lock_key IS NOT NULL)`;

const LIST = `
  SELECT o.schedule_id, o.node, o.occurrence, o.lock_key, s.policy
    FROM occurrence o INDEXED BY occurrence_lock
    JOIN schedule s ON s.id = o.schedule_id
   WHERE o.lock_key IS NOT NULL
     AND o.occurrence >= $from
     AND o.occurrence <  $to
   ORDER BY o.occurrence
   LIMIT $limit + 0`;

const NOTE = `
  UPDATE occurrence
     SET note = $note
   WHERE note <> $note
     AND (schedule_id, occurrence, node) IN (
           SELECT schedule_id, occurrence, node
             FROM occurrence INDEXED BY occurrence_lock
            WHERE lock_key IS NOT NULL
            ORDER BY occurrence
            LIMIT $limit + 0)`;
