/** The statements on schedules and their ledger, in plain sight. Prepared once; every value is a parameter. */
import type { Database, Statement } from "bun:sqlite";
import type { ScheduleState } from "../../schedule/schedule.ts";
import type { ScheduleCursorRow, ScheduleRow } from "./schedule-row.ts";

type Values = Record<string, string | number | null | Uint8Array>;
type ShownRow = ScheduleRow & { next_occurrence: number | null };

export class ScheduleSql {
  readonly insert: Statement<unknown, [Values]>;
  readonly update: Statement<unknown, [Values]>;
  readonly setState: Statement<unknown, [Values]>;
  readonly setDeclaredPaused: Statement<unknown, [Values]>;
  readonly ran: Statement<unknown, [Values]>;
  readonly insertRevision: Statement<unknown, [Values]>;
  readonly insertCursor: Statement<unknown, [Values]>;
  readonly setPriority: Statement<unknown, [Values]>;
  readonly cursors: Statement<ScheduleCursorRow, [Values]>;
  readonly due: Statement<ScheduleCursorRow, [Values]>;
  readonly nextDue: Statement<{ due_at: number }, [Values]>;
  readonly advance: Statement<unknown, [Values]>;
  readonly postpone: Statement<unknown, [Values]>;
  readonly insertOccurrence: Statement<unknown, [Values]>;
  readonly waiting: Statement<{ occurrence: number; catchup: number; asks: number }, [Values]>;
  readonly close: Statement<unknown, [Values]>;
  readonly lineUp: Statement<unknown, [Values]>;
  readonly closeAll: Statement<unknown, [Values]>;
  readonly poke: Statement<unknown, [Values]>;
  readonly countFailure: Statement<{ failures: number }, [Values]>;
  readonly forgetFailures: Statement<unknown, [Values]>;
  readonly get: Statement<ShownRow, [Values]>;
  readonly whose: Statement<Pick<ShownRow, "tenant" | "owner_kind" | "owner_name">, [Values]>;
  readonly named: Statement<ShownRow, [Values]>;
  readonly ownName: Statement<ShownRow, [Values]>;
  readonly find: Statement<{ id: string }, [Values]>;
  readonly callers: Statement<ShownRow, [Values]>;
  readonly upcoming: Statement<ShownRow, [Values]>;
  readonly declared: Statement<ShownRow, [Values]>;
  readonly declaredAs: Statement<ShownRow, [Values]>;
  readonly counts: Statement<{ state: ScheduleState; count: number }, []>;

  constructor(db: Database) {
    this.insert = db.prepare(INSERT);
    this.update = db.prepare(UPDATE);
    this.setState = db.prepare(SET_STATE);
    this.setDeclaredPaused = db.prepare("UPDATE schedule SET declared_paused = $paused WHERE id = $id");
    this.ran = db.prepare(RAN);
    this.insertRevision = db.prepare(INSERT_REVISION);
    this.insertCursor = db.prepare(INSERT_CURSOR);
    this.setPriority = db.prepare(SET_PRIORITY);
    this.cursors = db.prepare(CURSORS);
    this.due = db.prepare(DUE);
    this.nextDue = db.prepare(NEXT_DUE);
    this.advance = db.prepare(ADVANCE);
    this.postpone = db.prepare(LOOK_AT);
    this.insertOccurrence = db.prepare(INSERT_OCCURRENCE);
    this.waiting = db.prepare(WAITING);
    this.close = db.prepare(CLOSE);
    this.lineUp = db.prepare(LINE_UP);
    this.closeAll = db.prepare(CLOSE_ALL);
    this.poke = db.prepare(POKE);
    this.countFailure = db.prepare(COUNT_FAILURE);
    this.forgetFailures = db.prepare(FORGET_FAILURES);
    this.get = db.prepare(`${SHOWN} WHERE s.id = $id`);
    this.whose = db.prepare("SELECT tenant, owner_kind, owner_name FROM schedule WHERE id = $id");
    this.named = db.prepare(
      `${SHOWN} WHERE s.name = $name AND s.name <> '' AND s.state <> 'deleted' ORDER BY s.id`,
    );
    this.ownName = db.prepare(OWN_NAME);
    this.find = db.prepare(FIND);
    this.callers = db.prepare(CALLERS);
    this.upcoming = db.prepare(UPCOMING);
    this.declared = db.prepare(DECLARED);
    this.declaredAs = db.prepare(DECLARED_AS);
    this.counts = db.prepare("SELECT state, COUNT(*) AS count FROM schedule GROUP BY state");
  }
}

/** What a schedule has run, beside the rest of it. */
export const RUNS = "COALESCE(r.run_count, 0) AS run_count, r.last_run_at, r.last_job_id";
export const JOIN_RUNS = "LEFT JOIN schedule_run r ON r.schedule_id = s.id";

const INSERT = `
  INSERT INTO schedule (id, tenant, name, owner_kind, owner_name, declared_id, target_kind, target, spec, timezone,
                        anchor, policy, locking, state, pause, description, metadata, revision,
                        created_at, updated_at, payload)
  VALUES ($id, $tenant, $name, $ownerKind, $ownerName, $declaredId, $targetKind, $target, $spec, $timezone,
          $anchor, $policy, $locking, $state, $pause, $description, $metadata, 1,
          $now, $now, $payload)`;

const UPDATE = `
  UPDATE schedule
     SET name        = $name,
         target_kind = $targetKind,
         target      = $target,
         spec        = $spec,
         timezone    = $timezone,
         anchor      = $anchor,
         policy      = $policy,
         locking     = $locking,
         state       = $state,
         description = $description,
         metadata    = $metadata,
         payload     = $payload,
         revision    = revision + 1,
         updated_at  = $now
   WHERE id       = $id
     AND revision = $revision`;

const SET_STATE = `
  UPDATE schedule
     SET state      = $state,
         pause      = $pause,
         deleted_by = $deletedBy,
         updated_at = $now
   WHERE id = $id`;

const RAN = `
  INSERT INTO schedule_run (schedule_id, run_count, last_run_at, last_job_id)
  VALUES ($id, $count, $at, $jobId)
  ON CONFLICT (schedule_id) DO UPDATE
     SET run_count   = run_count + excluded.run_count,
         last_run_at = excluded.last_run_at,
         last_job_id = excluded.last_job_id`;

const INSERT_REVISION = `
  INSERT INTO schedule_revision (schedule_id, revision, effective_from, spec, timezone, anchor, policy, tzdata)
  SELECT id, revision, $now, spec, timezone, anchor, policy, $tzdata
    FROM schedule
   WHERE id = $id`;

const INSERT_CURSOR = `
  INSERT INTO schedule_cursor (schedule_id, node, accounted_until, next_occurrence, due_at, priority, resting)
  VALUES ($id, $node, $accountedUntil, $next, $dueAt, $priority, $dueAt IS NULL)
  ON CONFLICT (schedule_id, node) DO UPDATE
     SET accounted_until = excluded.accounted_until,
         next_occurrence = excluded.next_occurrence,
         due_at          = excluded.due_at,
         priority        = excluded.priority,
         resting         = excluded.resting`;

const SET_PRIORITY = `
  UPDATE schedule_cursor
     SET priority = $priority
   WHERE schedule_id = $id`;

// Without the hint the planner walks every run that the schedule ever had.
const OPEN_JOB = `(
           SELECT j.id
             FROM job j INDEXED BY job_schedule_open
            WHERE j.schedule_id = c.schedule_id
              AND j.node        = c.node
              AND j.trigger     = 'schedule'
              AND j.finished_at IS NULL
            LIMIT 1)`;

const IS_AWAITED = `EXISTS (
           SELECT 1
             FROM occurrence o INDEXED BY occurrence_pending
            WHERE o.schedule_id = c.schedule_id
              AND o.node        = c.node
              AND o.outcome     = 'pending')`;

// All other columns cost as much again, for each occurrence.
const CURSOR = `s.id, s.tenant, s.name, s.owner_kind, s.owner_name, s.declared_id, s.target_kind, s.target, s.spec,
         s.timezone, s.anchor, s.policy, s.locking, s.state, s.pause, s.revision, COALESCE(r.run_count, 0) AS run_count, s.payload,
         c.node, c.accounted_until, c.next_occurrence, c.due_at, ${OPEN_JOB} AS open_job, ${IS_AWAITED} AS awaited`;

const CURSORS = `
  SELECT ${CURSOR}
    FROM schedule_cursor c
    JOIN schedule s ON s.id = c.schedule_id
    ${JOIN_RUNS}
   WHERE c.schedule_id = $id`;

const DUE = `
  SELECT ${CURSOR}
    FROM schedule_cursor c
    JOIN schedule s ON s.id = c.schedule_id
    ${JOIN_RUNS}
   WHERE c.node   = $node
     AND c.due_at IS NOT NULL
     AND c.due_at <= $now
   ORDER BY c.due_at, c.priority
   LIMIT $limit + 0`;

const NEXT_DUE = `
  SELECT MIN(due_at) AS due_at
    FROM schedule_cursor
   WHERE node = $node
     AND due_at IS NOT NULL`;

// The guard against gaps and doubles: whoever moves the cursor knew where it stood.
const ADVANCE = `
  UPDATE schedule_cursor
     SET accounted_until = $accountedUntil,
         next_occurrence = $next,
         due_at          = $dueAt,
         resting         = $dueAt IS NULL
   WHERE schedule_id     = $id
     AND node            = $node
     AND accounted_until = $accountedBefore`;

/** A cursor is looked at when somebody says so, and not when it was due. */
export const LOOK_AT = `
  UPDATE schedule_cursor
     SET due_at = $dueAt
   WHERE schedule_id = $id
     AND node        = $node`;

const INSERT_OCCURRENCE = `
  INSERT INTO occurrence (schedule_id, occurrence, node, outcome, job_id, related_job_id, last_occurrence, count,
                          catchup, decided_at, seen_at, revision, note, lock_key)
  VALUES ($id, $occurrence, $node, $outcome, $jobId, $relatedJobId, $lastOccurrence, $count,
          $catchup, $now, $now, $revision, $note, $lockKey)`;

const WAITING = `
  SELECT occurrence, catchup, lock_key IS NOT NULL AS asks
    FROM occurrence INDEXED BY occurrence_pending
   WHERE schedule_id = $id
     AND node        = $node
     AND outcome     = 'pending'
   ORDER BY occurrence`;

const CLOSE = `
  UPDATE occurrence
     SET outcome        = $outcome,
         job_id         = $jobId,
         related_job_id = $relatedJobId,
         decided_at     = $now,
         note           = $note,
         lock_key       = NULL
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence  = $occurrence
     AND outcome     = 'pending'`;

// It has its lock, and waits for the run before it from now on.
const LINE_UP = `
  UPDATE occurrence
     SET related_job_id = $relatedJobId,
         catchup        = $catchup,
         note           = '',
         lock_key       = NULL
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence  = $occurrence
     AND lock_key IS NOT NULL`;

const CLOSE_ALL = `
  UPDATE occurrence INDEXED BY occurrence_pending
     SET outcome    = $outcome,
         decided_at = $now,
         note       = $note,
         lock_key   = NULL
   WHERE schedule_id = $id
     AND node        = $node
     AND outcome     = 'pending'`;

// A run has ended: whoever waits for its end is looked at now.
const POKE = `
  UPDATE schedule_cursor
     SET due_at = MIN(COALESCE(due_at, $now), $now)
   WHERE schedule_id = $id
     AND node        = $node
     AND EXISTS (
           SELECT 1
             FROM occurrence INDEXED BY occurrence_pending
            WHERE schedule_id = $id
              AND node        = $node
              AND outcome     = 'pending')`;

const COUNT_FAILURE = `
  UPDATE schedule
     SET failures = failures + 1
   WHERE id = $id
  RETURNING failures`;

const FORGET_FAILURES = `
  UPDATE schedule
     SET failures = 0
   WHERE id = $id
     AND failures > 0`;

/** A schedule with its next occurrence; a node-local one shows the earliest of its nodes. */
const SHOWN = `
  SELECT s.*, ${RUNS}, (SELECT MIN(c.next_occurrence) FROM schedule_cursor c WHERE c.schedule_id = s.id) AS next_occurrence
    FROM schedule s
    ${JOIN_RUNS}`;

const OWN_NAME = `${SHOWN}
   WHERE s.tenant     = $tenant
     AND s.owner_kind = $ownerKind
     AND s.owner_name = $ownerName
     AND s.name       = $name
     AND s.name <> ''
     AND s.state <> 'deleted'`;

// A scan of the ids, in an index that has little else: for people who type the end of an id, not for programs.
const FIND = `
  SELECT id
    FROM schedule INDEXED BY schedule_state
   WHERE substr(id, -length($part)) = $part
      OR substr(id, 1, length($part)) = $part
   LIMIT $limit + 0`;

/** Endpoints are written `<plugin>/POST /sync`; what follows the slash sorts before `0`. */
const CALLERS = `${SHOWN}
   WHERE s.target     >= $from
     AND s.target      < $to
     AND s.target_kind = 'endpoint'
     AND s.state       = 'active'
     AND s.tenant      = $tenant
   ORDER BY s.id`;

const UPCOMING = `
  SELECT s.*, ${RUNS}, c.next_occurrence
    FROM schedule_cursor c INDEXED BY schedule_cursor_next
    JOIN schedule s ON s.id = c.schedule_id
    ${JOIN_RUNS}
   WHERE c.next_occurrence IS NOT NULL
   ORDER BY c.next_occurrence
   LIMIT $limit + 0`;

const DECLARED = `${SHOWN}
   WHERE s.tenant     = $tenant
     AND s.owner_kind = $ownerKind
     AND s.owner_name = $ownerName
     AND s.declared_id <> ''`;

const DECLARED_AS = `${SHOWN}
   WHERE s.tenant      = $tenant
     AND s.owner_kind  = $ownerKind
     AND s.owner_name  = $ownerName
     AND s.declared_id = $declaredId
     AND s.declared_id <> ''`;
