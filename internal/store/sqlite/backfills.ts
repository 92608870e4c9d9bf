/**
 * Backfills in SQLite: runs for the past, in a line beside the plan. Of the runs of
 * a schedule's backfills, so many are open at once as the backfill says; the others
 * wait as paused jobs, and each that ends lets the next one go, in the same
 * transaction. So a host that is killed loses no place in the line.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { assert } from "../../base/fault.ts";
import { isFinished, type Job, type JobError, type JobState, type NewJob } from "../../job/job.ts";
import { BACKFILL_RUNS_MAX } from "../../schedule/backfill.ts";
import type { Backfill, BackfillMade, BackfillStore, NewBackfill } from "../backfills.ts";
import type { GroupCommit } from "./group.ts";
import { type JobRow, readJob } from "./job-row.ts";
import type { SqliteJobs } from "./jobs.ts";

type Values = Record<string, string | number>;

interface BackfillRow {
  id: string;
  schedule_id: string;
  from_at: number;
  to_at: number;
  concurrency: number;
  asked_by: string;
  created_at: number;
  /** JSON: how many of its jobs are in which state. */
  states: string;
}

const CANCEL_JOBS = 1_000; // In one transaction: some milliseconds, then others have their turn.

export class SqliteBackfills implements BackfillStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #jobs: SqliteJobs;
  readonly #insert: Statement<unknown, [Values]>;
  readonly #made: Statement<{ occurrence: number }, [Values]>;
  readonly #deleted: Statement<{ id: string }, [Values]>;
  readonly #open: Statement<{ count: number }, [Values]>;
  readonly #first: Statement<{ id: string; lane: string; concurrency: number }, [Values]>;
  readonly #release: Statement<unknown, [Values]>;
  readonly #cancelPaused: Statement<unknown, [Values]>;
  readonly #cancelWaiting: Statement<unknown, [Values]>;
  readonly #run: Statement<JobRow, [Values]>;
  readonly #list: Statement<BackfillRow, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit, jobs: SqliteJobs) {
    this.#env = env;
    this.#group = group;
    this.#jobs = jobs;
    this.#insert = db.prepare(INSERT);
    this.#made = db.prepare(MADE);
    this.#deleted = db.prepare("SELECT id FROM schedule WHERE id = $scheduleId AND state = 'deleted'");
    this.#open = db.prepare(OPEN);
    this.#first = db.prepare(FIRST);
    this.#release = db.prepare("UPDATE job SET state = 'queued' WHERE id = $id AND state = 'paused'");
    this.#cancelPaused = db.prepare(CANCEL_PAUSED);
    this.#cancelWaiting = db.prepare(CANCEL_WAITING);
    this.#run = db.prepare(RUN);
    this.#list = db.prepare(LIST);
    jobs.onBackfillEnd((scheduleId) => this.#advance(scheduleId));
  }

  async instants(scheduleId: string, { from, to }: { from: Millis; to: Millis }): Promise<Millis[]> {
    return this.#instants(scheduleId, from, to);
  }

  make(backfill: NewBackfill, jobs: readonly NewJob[]): Promise<BackfillMade> {
    return this.#group.write(() => {
      const { id, scheduleId, from, to, concurrency, askedBy } = backfill;
      const before = new Set(this.#instants(scheduleId, from, to));
      const missing = jobs.filter(({ occurrence }) => occurrence !== undefined && !before.has(occurrence));
      if (missing.length > 0)
        this.#insert.run({ id, scheduleId, from, to, concurrency, askedBy, now: this.#env.now() });
      for (const job of missing) {
        const { created } = this.#jobs.insert({
          ...job,
          scheduleId,
          parentId: id,
          trigger: "backfill",
          held: true,
        });
        assert(created, `occurrence ${job.occurrence} of ${scheduleId} has no run of a backfill yet`);
      }
      this.#advance(scheduleId);
      return { made: missing.length, existed: jobs.length - missing.length };
    });
  }

  async cancel(scheduleId: string, by: string): Promise<{ cancelled: number; running: number }> {
    const error: JobError = { message: `cancelled by ${by}`, kind: "cancelled", attempt: 0 };
    let cancelled = 0;
    // Those at the end of the line first, or the ones in front would let them go.
    for (const statement of [this.#cancelPaused, this.#cancelWaiting]) {
      for (let changes = CANCEL_JOBS; changes === CANCEL_JOBS; cancelled += changes) {
        const values = { scheduleId, limit: CANCEL_JOBS, error: JSON.stringify(error) };
        changes = await this.#group.write(() => {
          const { changes } = statement.run({ ...values, now: this.#env.now() });
          this.#advance(scheduleId); // Runs that were made meanwhile are not among those that were to be cancelled.
          return changes;
        });
      }
    }
    return { cancelled, running: this.#open.get({ scheduleId })?.count ?? 0 };
  }

  #cancelLine(scheduleId: string): void {
    const error: JobError = { message: "cancelled: its schedule is deleted", kind: "cancelled", attempt: 0 };
    const values = { scheduleId, limit: BACKFILL_RUNS_MAX, error: JSON.stringify(error) };
    for (const statement of [this.#cancelPaused, this.#cancelWaiting])
      statement.run({ ...values, now: this.#env.now() });
  }

  async run(scheduleId: string, occurrence: Millis): Promise<Job | null> {
    const row = this.#run.get({ scheduleId, occurrence });
    return row ? readJob(row) : null;
  }

  async list(scheduleId: string, limit: number): Promise<Backfill[]> {
    return this.#list.all({ scheduleId, limit }).map(readBackfill);
  }

  #instants(scheduleId: string, from: Millis, to: Millis): Millis[] {
    return this.#made.all({ scheduleId, from, to }).map(({ occurrence }) => occurrence);
  }

  /** Lets the first in line go, as long as there is room. Of a schedule that is deleted nobody goes any more. */
  #advance(scheduleId: string): void {
    if (this.#deleted.get({ scheduleId })) return this.#cancelLine(scheduleId);
    let open = this.#open.get({ scheduleId })?.count ?? 0;
    for (;;) {
      const first = this.#first.get({ scheduleId });
      if (!first || open >= first.concurrency) return;
      this.#release.run({ id: first.id });
      this.#jobs.queued(first.lane);
      open += 1;
    }
  }
}

function readBackfill(row: BackfillRow): Backfill {
  const states = JSON.parse(row.states) as Partial<Record<JobState, number>>;
  const counts = Object.entries(states) as [JobState, number][];
  const sum = (wanted: (state: JobState) => boolean) =>
    counts.reduce((total, [state, count]) => total + (wanted(state) ? count : 0), 0);
  return {
    id: row.id,
    scheduleId: row.schedule_id,
    from: row.from_at,
    to: row.to_at,
    concurrency: row.concurrency,
    askedBy: row.asked_by,
    createdAt: row.created_at,
    runs: {
      waiting: sum((state) => state === "paused"),
      open: sum((state) => state !== "paused" && !isFinished(state)),
      completed: states.completed ?? 0,
      failed: states.failed ?? 0,
      cancelled: states.cancelled ?? 0,
    },
  };
}

const INSERT = `
  INSERT INTO backfill (id, schedule_id, from_at, to_at, concurrency, asked_by, created_at)
  VALUES ($id, $scheduleId, $from, $to, $concurrency, $askedBy, $now)
  ON CONFLICT DO NOTHING`;

const MADE = `
  SELECT occurrence
    FROM job INDEXED BY job_backfill
   WHERE schedule_id = $scheduleId
     AND occurrence >= $from
     AND occurrence < $to
     AND trigger = 'backfill'
     AND state <> 'cancelled'`;

const OPEN = `
  SELECT COUNT(*) AS count
    FROM job INDEXED BY job_backfill_line
   WHERE schedule_id = $scheduleId
     AND state IN ('queued', 'running', 'scheduled', 'retrying')
     AND trigger = 'backfill'
     AND finished_at IS NULL`;

const FIRST = `
  SELECT j.id, j.lane, b.concurrency
    FROM job j INDEXED BY job_backfill_line
    JOIN backfill b ON b.id = j.parent_id
   WHERE j.schedule_id = $scheduleId
     AND j.state = 'paused'
     AND j.trigger = 'backfill'
     AND j.finished_at IS NULL
   ORDER BY j.seq
   LIMIT 1`;

function cancelIn(states: string): string {
  return `
  UPDATE job
     SET state       = 'cancelled',
         finished_at = $now,
         error       = $error
   WHERE seq IN (
           SELECT seq
             FROM job INDEXED BY job_backfill_line
            WHERE schedule_id = $scheduleId
              AND state IN (${states})
              AND trigger = 'backfill'
              AND finished_at IS NULL
            LIMIT $limit + 0)`;
}

const CANCEL_PAUSED = cancelIn("'paused'");
const CANCEL_WAITING = cancelIn("'queued', 'scheduled', 'retrying'");

const RUN = `
  SELECT *
    FROM job INDEXED BY job_backfill
   WHERE schedule_id = $scheduleId
     AND occurrence  = $occurrence
     AND trigger     = 'backfill'
     AND state <> 'cancelled'`;

const LIST = `
  SELECT b.*, (SELECT json_group_object(state, count)
                 FROM (SELECT state, COUNT(*) AS count
                         FROM job INDEXED BY job_parent
                        WHERE parent_id = b.id
                        GROUP BY state)) AS states
    FROM backfill b
   WHERE b.schedule_id = $scheduleId
   ORDER BY b.created_at DESC, b.id DESC
   LIMIT $limit + 0`;
