/** The statements that find and mend what nobody would look after again. */
import type { Database, Statement } from "bun:sqlite";
import type { ScheduleState } from "../../schedule/schedule.ts";
import { LOOK_AT } from "./schedule-sql.ts";

type Values = Record<string, string | number | null>;
/** How many, and by which clock: `later` is so much later than now that somebody should have come by. */
export type Look = {
  limit: number;
  now: number;
  later: number;
};

/** Something that is wrong. What a kind of damage does not have is not read. */
export interface MendingRow {
  schedule_id: string;
  node: string;
  state: ScheduleState;
  accounted_until: number | null;
  /** 1 when the last term of the cursor plans anything. */
  planned: number;
  /** 1 when the schedule still uses this cursor. */
  current: number;
  occurrence: number;
  count: number;
  job_id: string;
  run_count: number | null;
  catchup: number;
  /** 1 when the job had ended. */
  ended: number;
}

export class MendingSql {
  readonly cursorsGone: Statement<MendingRow, [Look]>;
  readonly idle: Statement<MendingRow, [Look]>;
  readonly runsGone: Statement<MendingRow, [Look]>;
  readonly leftOpen: Statement<MendingRow, [Look]>;
  readonly restoreCursor: Statement<unknown, [Values]>;
  readonly forgetCursor: Statement<unknown, [Values]>;
  readonly forgetRun: Statement<unknown, [Values]>;
  readonly noteGone: Statement<unknown, [Values]>;
  readonly lookAt: Statement<unknown, [Values]>;
  readonly closeLeft: Statement<unknown, [Values]>;

  constructor(db: Database) {
    this.cursorsGone = db.prepare(CURSORS_GONE);
    this.idle = db.prepare(IDLE);
    this.runsGone = db.prepare(RUNS_GONE);
    this.leftOpen = db.prepare(LEFT_OPEN);
    this.restoreCursor = db.prepare(RESTORE_CURSOR);
    this.forgetCursor = db.prepare("DELETE FROM gone_cursor WHERE schedule_id = $id AND node = $node");
    this.forgetRun = db.prepare("DELETE FROM gone_run WHERE job_id = $jobId");
    this.noteGone = db.prepare(NOTE_GONE);
    this.lookAt = db.prepare(LOOK_AT);
    this.closeLeft = db.prepare(CLOSE_LEFT);
  }
}

// What has a cursor again since, by a change or by hand, is in order.
const CURSORS_GONE = `
  SELECT g.schedule_id, g.node, g.accounted_until, s.state,
         (s.locking = 'node-local') = (g.node <> '') AS current
    FROM gone_cursor g
    JOIN schedule s ON s.id = g.schedule_id
    LEFT JOIN schedule_cursor c ON c.schedule_id = g.schedule_id AND c.node = g.node
   WHERE c.schedule_id IS NULL
   LIMIT $limit + 0`;

// A pause that ends by itself has its end as a time, like a next run.
const IDLE = `
  SELECT c.schedule_id, c.node, c.accounted_until, s.state,
         (SELECT t.revision
            FROM schedule_term t
           WHERE t.schedule_id = c.schedule_id
             AND t.node        = c.node
           ORDER BY t.since DESC
           LIMIT 1) IS NOT NULL AS planned
    FROM schedule_cursor c INDEXED BY schedule_cursor_stopped
   CROSS JOIN schedule s ON s.id = c.schedule_id
   WHERE c.due_at IS NULL
     AND c.resting = 0
     AND (s.state = 'active' OR (s.state = 'paused' AND json_extract(s.pause, '$.until') IS NOT NULL))
     AND (s.locking = 'node-local') = (c.node <> '')
   LIMIT $limit + 0`;

const RUNS_GONE = `
  SELECT g.*
    FROM gone_run g
    JOIN occurrence o ON o.schedule_id = g.schedule_id AND o.occurrence = g.occurrence AND o.node = g.node
    LEFT JOIN job j ON j.id = g.job_id
   WHERE o.job_id = g.job_id
     AND j.id IS NULL
   LIMIT $limit + 0`;

// Who waits is looked at when the run before it ends, at the latest when its time is over. While a clock that went
// back says that its time is still to come, it waits for that.
const LEFT_OPEN = `
  SELECT o.schedule_id, o.node, o.occurrence, o.count, s.state,
         (s.locking = 'node-local') = (o.node <> '') AS current
    FROM occurrence o INDEXED BY occurrence_pending
    JOIN schedule s ON s.id = o.schedule_id
    LEFT JOIN schedule_cursor c ON c.schedule_id = o.schedule_id AND c.node = o.node
   WHERE o.outcome = 'pending'
     AND (   o.count > 1
          OR s.state <> 'active'
          OR c.due_at IS NULL
          OR (c.due_at > $later
              AND o.occurrence <= $now
              AND o.lock_key IS NULL
              AND NOT EXISTS (
                    SELECT 1
                      FROM job j INDEXED BY job_schedule_open
                     WHERE j.schedule_id = o.schedule_id
                       AND j.node        = o.node
                       AND j.trigger     = 'schedule'
                       AND j.finished_at IS NULL)))
   LIMIT $limit + 0`;

const RESTORE_CURSOR = `
  INSERT INTO schedule_cursor (schedule_id, node, accounted_until, next_occurrence, due_at, resting)
  VALUES ($id, $node, $accountedUntil, NULL, NULL, 1)`;

const NOTE_GONE = `
  UPDATE occurrence
     SET note = 'job ' || $jobId || ' was deleted by hand'
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence  = $occurrence`;

const CLOSE_LEFT = `
  UPDATE occurrence
     SET outcome    = $outcome,
         decided_at = $now,
         note       = 'it was left open',
         lock_key   = NULL
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence  = $occurrence
     AND outcome     = 'pending'`;
