/** The statements on jobs, in plain sight. Prepared once; every value is a parameter. */
import type { Database, Statement } from "bun:sqlite";
import { HISTORY_ATTEMPTS_MAX, type JobState } from "../../job/job.ts";
import type { WhoseJob } from "../jobs.ts";
import { type JobRow, NEXT_COLUMNS, type NextRow } from "./job-row.ts";

const CLAIM_ROWS = [64, 1] as const; // Of a statement.
const RUN_ENDS_MAX = 64;

/** The parameters of a statement, by name. */
export type Values = Record<string, string | number | null | Uint8Array>;

/** What the end of a run concerns beside its job. Mostly nothing: then to know it is all that it costs. */
export interface RunEndRow {
  job_id: string;
  schedule_id: string;
  node: string;
  trigger: "schedule" | "backfill";
  state: JobState;
  /** From the moment it was made, waiting and retries included. */
  took: number;
  /** Failures of the schedule in a row before this run. */
  failures: number;
  /** 1 when the schedule is known to be too slow for its interval. */
  slow: number;
  /** 1 when an occurrence waits for the end of this run. */
  awaited: number;
  /** 1 when the run must meet an objective. */
  watched: number;
}

/** A job that has ended without a settlement. */
export interface EndedRow {
  id: string;
  concurrency_key: string | null;
  budgeted: number;
}

export interface PromotedRow {
  lane: string;
  tenant: string;
  handler: string;
  concurrency_key: string | null;
}

export class JobSql {
  readonly get: Statement<JobRow, [Values]>;
  readonly whose: Statement<WhoseJob, [Values]>;
  readonly find: Statement<{ last: string | null; found: string }, [Values]>;
  readonly next: Statement<NextRow, [Values]>;
  /** Claims what stands close together. */
  readonly claimStretch: Statement<unknown, (string | number)[]>;
  /** What claims so many jobs, the most first. */
  readonly claims: readonly { rows: number; statement: Statement<unknown, (string | number)[]> }[];
  readonly finish: Statement<unknown, [Values]>;
  readonly runEnd: Statement<RunEndRow, [Values]>;
  /** The same of jobs by their numbers, up to so many; absent ones are null. */
  readonly runEnds: { rows: number; statement: Statement<RunEndRow, (number | null)[]> };
  readonly terminate: Statement<EndedRow, [Values]>;
  readonly expire: Statement<EndedRow, [Values]>;
  readonly giveBack: Statement<unknown, [Values]>;
  readonly progress: Statement<unknown, [Values]>;
  readonly checkpoint: Statement<unknown, [Values]>;
  readonly promote: Statement<PromotedRow, [Values]>;
  readonly nextDue: Statement<{ run_at: number }, []>;
  readonly cancelWaiting: Statement<EndedRow, [Values]>;
  readonly cancelRunning: Statement<unknown, [Values]>;
  readonly failWaiting: Statement<unknown, [Values]>;
  readonly failUnreadable: Statement<EndedRow, [Values]>;
  readonly pause: Statement<unknown, [Values]>;
  readonly resume: Statement<unknown, [Values]>;
  readonly recoverCancelled: Statement<EndedRow, [Values]>;
  readonly recoverHopeless: Statement<EndedRow, [Values]>;
  readonly recover: Statement<{ id: string; lane: string; budgeted: number }, [Values]>;
  readonly refuse: Statement<unknown, [Values]>;
  readonly annotate: Statement<unknown, [Values]>;

  constructor(db: Database) {
    this.get = db.prepare("SELECT * FROM job WHERE id = $id");
    this.whose = db.prepare("SELECT tenant, plugin, handler, owner FROM job WHERE id = $id");
    this.find = db.prepare(FIND);
    this.next = db.prepare(NEXT);
    this.claimStretch = db.prepare(CLAIM_STRETCH);
    this.claims = CLAIM_ROWS.map((rows) => ({ rows, statement: db.prepare(claimSql(rows)) }));
    this.finish = db.prepare(FINISH);
    this.runEnd = db.prepare(`${RUN_END} AND j.id = $id`);
    const seqs = Array.from({ length: RUN_ENDS_MAX }, (_, n) => `?${n + 1}`).join(", ");
    this.runEnds = { rows: RUN_ENDS_MAX, statement: db.prepare(`${RUN_END} AND j.seq IN (${seqs})`) };
    this.terminate = db.prepare(TERMINATE);
    this.expire = db.prepare(EXPIRE);
    this.giveBack = db.prepare(GIVE_BACK);
    this.progress = db.prepare(PROGRESS);
    this.checkpoint = db.prepare(CHECKPOINT);
    this.promote = db.prepare(PROMOTE);
    this.nextDue = db.prepare(NEXT_DUE);
    this.cancelWaiting = db.prepare(CANCEL_WAITING);
    this.cancelRunning = db.prepare(CANCEL_RUNNING);
    this.failWaiting = db.prepare(FAIL_WAITING);
    this.failUnreadable = db.prepare(FAIL_UNREADABLE);
    this.pause = db.prepare(PAUSE);
    this.resume = db.prepare(RESUME);
    this.recoverCancelled = db.prepare(RECOVER_CANCELLED);
    this.recoverHopeless = db.prepare(RECOVER_HOPELESS);
    this.recover = db.prepare(RECOVER);
    this.refuse = db.prepare(REFUSE);
    this.annotate = db.prepare(ANNOTATE);
  }
}

/**
 * The history of a job with one attempt more, without the oldest when that is too many. It is added where it stands:
 * whoever holds the job does not know what was remembered since it was claimed. One that cannot be read begins anew,
 * or neither this job could end, nor those that end with it.
 */
function remembered(attempt: string): string {
  return `json_insert(
           CASE WHEN NOT json_valid(history) THEN '[]'
                WHEN json_array_length(history) >= ${HISTORY_ATTEMPTS_MAX} THEN json_remove(history, '$[0]')
                ELSE COALESCE(history, '[]')
            END,
           '$[#]', ${attempt})`;
}

// A stretch of the id index, and where it ended: for people who type the end of an id, not for programs.
const FIND = `
  SELECT MAX(id) AS last,
         json_group_array(id) FILTER (WHERE substr(id, -length($part)) = $part
                                         OR substr(id, 1, length($part)) = $part) AS found
    FROM (SELECT id
            FROM job
           WHERE id > $after
           ORDER BY id
           LIMIT $rows + 0)`;

const NEXT = `
  SELECT ${NEXT_COLUMNS.join(", ")}
    FROM job
   WHERE state   = 'queued'
     AND lane    = $lane
     AND crowded = 0
   ORDER BY priority, seq
   LIMIT $limit + 0`;

/** OR FAIL, because a statement that can be undone alone copies every page before it changes; here the whole group is undone. */
function claimed(job: string): string {
  return `
  UPDATE OR FAIL ${job}
     SET state            = 'running',
         fence            = fence + 1,
         attempt          = attempt + 1,
         max_attempts     = COALESCE(max_attempts, ?1),
         boot_id          = ?2,
         started_at       = ?3,
         first_started_at = COALESCE(first_started_at, ?3)`;
}

// From the first to the last of those that are next: whoever stands between them and would be next as well, is one of
// them. Not by their index: it changes under the search, for which SQLite makes a table.
const CLAIM_STRETCH = `${claimed("job NOT INDEXED")}
   WHERE seq BETWEEN ?4 AND ?5
     AND state    = 'queued'
     AND lane     = ?6
     AND priority = ?7
     AND crowded  = 0`;

/** One statement for so many jobs. RETURNING makes a table, and so does a list of more than one, which only many are worth. */
function claimSql(rows: number): string {
  const seqs = Array.from({ length: rows }, (_, row) => `?${4 + row}`);
  return `${claimed("job")}
   WHERE seq IN (${seqs.join(", ")})
     AND state = 'queued'`;
}

const FINISH = `
  UPDATE job
     SET state          = $state,
         finished_at    = $now,
         boot_id        = NULL,
         attempt        = $attempt,
         lost           = $lost,
         suspect        = 0,
         error          = $error,
         history        = CASE WHEN $past IS NULL THEN history ELSE ${remembered("json($past)")} END,
         result         = $result,
         cost_actual    = MAX(cost_actual, $costActual),
         plugin_version = $pluginVersion,
         plugin_digest  = $pluginDigest
   WHERE id    = $id
     AND state = 'running'
     AND fence = $fence`;

// Beside FINISH, and not in its RETURNING, which makes a table of its own for each job.
const RUN_END = `
  SELECT j.id AS job_id, j.schedule_id, j.node, j.trigger, j.state, j.finished_at - j.created_at AS took,
         s.failures, s.slow IS NOT NULL AS slow,
         EXISTS (
           SELECT 1
             FROM occurrence INDEXED BY occurrence_pending
            WHERE schedule_id = j.schedule_id
              AND node        = j.node
              AND outcome     = 'pending') AS awaited,
         EXISTS (
           SELECT 1
             FROM objective_watch
            WHERE schedule_id = j.schedule_id
              AND node        = j.node
              AND occurrence  = j.occurrence) AS watched
    FROM job j
    JOIN schedule s ON s.id = j.schedule_id
   WHERE (j.trigger = 'schedule' OR j.trigger = 'backfill')`;

// Fenced off: whatever its plugin still says of it, nobody listens.
const TERMINATE = `
  UPDATE job
     SET state       = 'cancelled',
         finished_at = $now,
         boot_id     = NULL,
         error       = $error
   WHERE id = $id
     AND finished_at IS NULL
  RETURNING id, concurrency_key, budgeted`;

const EXPIRE = `
  UPDATE job
     SET state       = 'failed',
         finished_at = $now,
         boot_id     = NULL,
         error       = $error
   WHERE seq IN (
           SELECT seq
             FROM job INDEXED BY job_expiring
            WHERE expires_at <= $now
              AND expires_at IS NOT NULL
              AND started_at IS NULL
              AND finished_at IS NULL
            LIMIT $limit + 0)
  RETURNING id, concurrency_key, budgeted`;

const GIVE_BACK = `
  UPDATE job
     SET state          = $state,
         run_at         = $runAt,
         boot_id        = NULL,
         attempt        = $attempt,
         lost           = $lost,
         suspect        = $suspect,
         snoozed        = $snoozed,
         error          = $error,
         history        = CASE WHEN $past IS NULL THEN history ELSE ${remembered("json($past)")} END,
         cost_actual    = MAX(cost_actual, $costActual),
         plugin_version = $pluginVersion,
         plugin_digest  = $pluginDigest
   WHERE id    = $id
     AND state = 'running'
     AND fence = $fence
     AND cancel_requested = 0`;

const PROGRESS = `
  UPDATE job
     SET progress = $progress
   WHERE id    = $id
     AND state = 'running'
     AND fence = $fence`;

const CHECKPOINT = `
  UPDATE job
     SET checkpoint = $checkpoint
   WHERE id    = $id
     AND state = 'running'
     AND fence = $fence`;

const PROMOTE = `
  UPDATE job
     SET state = 'queued'
   WHERE seq IN (
           SELECT seq
             FROM job
            WHERE state IN ('scheduled', 'retrying')
              AND waits = 0
              AND run_at <= $now
            ORDER BY run_at
            LIMIT $limit + 0)
  RETURNING lane, tenant, handler, concurrency_key`;

const NEXT_DUE = `
  SELECT run_at
    FROM job
   WHERE state IN ('scheduled', 'retrying')
     AND waits = 0
   ORDER BY run_at
   LIMIT 1`;

const CANCEL_WAITING = `
  UPDATE job
     SET state       = 'cancelled',
         finished_at = $now,
         error       = $error
   WHERE id = $id
     AND state IN ('scheduled', 'queued', 'retrying', 'paused')
  RETURNING id, concurrency_key, budgeted`;

const FAIL_WAITING = `
  UPDATE job
     SET state       = 'failed',
         finished_at = $now,
         error       = $error
   WHERE id = $id
     AND waits > 0
     AND state IN ('scheduled', 'paused')`;

const FAIL_UNREADABLE = `
  UPDATE job
     SET state       = 'failed',
         finished_at = $now,
         boot_id     = NULL,
         error       = $error,
         retry       = NULL,
         history     = NULL,
         progress    = NULL,
         pause       = NULL
   WHERE id = $id
  RETURNING id, concurrency_key, budgeted`;

const CANCEL_RUNNING = `
  UPDATE job
     SET cancel_requested = 1
   WHERE id    = $id
     AND state = 'running'`;

// Not the runs of a backfill: as paused they would stand first in its line.
const PAUSE = `
  UPDATE job
     SET state = 'paused',
         pause = $pause
   WHERE id = $id
     AND (state = 'scheduled' OR state = 'queued' OR state = 'retrying')
     AND trigger <> 'backfill'`;

const RESUME = `
  UPDATE job
     SET state = CASE WHEN waits > 0 THEN 'scheduled' WHEN run_at <= $now THEN 'queued' WHEN attempt > 0 THEN 'retrying' ELSE 'scheduled' END,
         pause = NULL
   WHERE id    = $id
     AND state = 'paused'
     AND trigger <> 'backfill'`;

const RECOVER_CANCELLED = `
  UPDATE job
     SET state       = 'cancelled',
         finished_at = $now,
         boot_id     = NULL,
         error       = $error
   WHERE boot_id IS NOT NULL
     AND boot_id <> $bootId
     AND cancel_requested = 1
  RETURNING id, concurrency_key, budgeted`;

const RECOVER_HOPELESS = `
  UPDATE job
     SET state       = 'failed',
         finished_at = $now,
         boot_id     = NULL,
         error       = $error
   WHERE boot_id IS NOT NULL
     AND boot_id <> $bootId
     AND interrupted >= $interruptedMax
  RETURNING id, concurrency_key, budgeted`;

// The tries are given back: a host that dies is no fault of its jobs. What keeps happening is counted.
const RECOVER = `
  UPDATE job
     SET state       = 'queued',
         run_at      = $now,
         boot_id     = NULL,
         attempt     = attempt - 1,
         interrupted = interrupted + 1,
         history     = ${remembered(`json_object('attempt', attempt, 'fence', fence, 'kind', 'interrupted', 'message', $message,
                       'startedAt', started_at, 'endedAt', $now, 'pluginVersion', NULL, 'pluginDigest', NULL)`)}
   WHERE boot_id IS NOT NULL
     AND boot_id <> $bootId
  RETURNING id, lane, budgeted`;

// Not what is said twice of the same end.
const REFUSE = `
  UPDATE job
     SET history = ${remembered(`json_object('attempt', $attempt, 'fence', $fence, 'kind', 'late', 'message', $message,
                       'startedAt', NULL, 'endedAt', $now, 'pluginVersion', $pluginVersion,
                       'pluginDigest', $pluginDigest)`)}
   WHERE id = $id
     AND (fence > $fence OR state NOT IN ('running', $state))`;

const ANNOTATE = `
  UPDATE job
     SET progress    = COALESCE($progress, progress),
         cost_actual = COALESCE($costActual, cost_actual)
   WHERE id    = $id
     AND state = 'running'`;
