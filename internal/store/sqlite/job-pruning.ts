/**
 * Job pruning: removes finished jobs that are too old or too many, with what they
 * said, in the order in which they were made. So it needs no index that every job
 * would have to pay for.
 *
 * What others still need stays: the last run of a schedule, a run whose objective is
 * open, one whose unique key is still held, a parent whose children are at work and a
 * child whose parent is, one whose end those who wait for it have not been told, and a
 * retry as long as the job that it retries, because that is retried once. What a job said goes first: a host that dies in between has a job
 * without a log, and not the other way round.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import type { JobPruneRequest, Pruned } from "../prune.ts";
import type { GroupCommit } from "./group.ts";
import type { SqliteLogs } from "./logs.ts";
import { noCursor } from "./page.ts";

const ROWS_SEEN = 5_000; // To look at those that stay takes some milliseconds.
const ROWS_PER_STEP = 250; // To remove them, less.
const STEP_MS_MAX: Millis = 3; // On a slow disk fewer; once for the lines, once for the jobs.
const REST_MS: Millis = 60_000; // Who waits for its end has not looked yet, and its last words may be on their way.
const LOOK_EVERY = 25; // Rows between two looks at the clock.

type Values = Record<string, string | number>;

interface Row {
  seq: number;
  id: string;
}

/** The last row that a step looks at. */
interface End {
  seq: number;
  created_at: number;
}

export interface JobPruningParts {
  db: Database;
  group: GroupCommit;
  logs: SqliteLogs;
}

export class JobPruning {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #logs: SqliteLogs;
  readonly #newest: Statement<{ seq: number | null }, []>;
  readonly #ends: Record<JobPruneRequest["state"], Statement<End, [Values]>>;
  readonly #candidates: Record<JobPruneRequest["state"], Statement<Row, [Values]>>;
  readonly #begin: Statement;
  readonly #end: Statement;
  readonly #remove: Statement<unknown, [Values]>;

  constructor(env: Env, { db, group, logs }: JobPruningParts) {
    this.#env = env;
    this.#group = group;
    this.#logs = logs;
    this.#newest = db.prepare("SELECT MAX(seq) AS seq FROM job");
    this.#ends = forEachState((from, narrow) => db.prepare(endSql(from, narrow)));
    this.#candidates = forEachState((from, narrow) => db.prepare(candidatesSql(from, narrow)));
    // The trigger that notes runs which are deleted by a hand looks for this row.
    this.#begin = db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('pruning', 'jobs')");
    this.#end = db.prepare("DELETE FROM meta WHERE key = 'pruning'");
    this.#remove = db.prepare("DELETE FROM job WHERE seq = $seq AND finished_at IS NOT NULL");
  }

  /** One step, with a transaction of its own. */
  async step({ state, before, backfillsBefore, newest, cursor }: JobPruneRequest): Promise<Pruned> {
    const after = cursor === undefined ? 0 : readSeq(cursor);
    const behind = (this.#newest.get()?.seq ?? 0) - newest;
    const end = this.#ends[state].get({ after, rows: ROWS_SEEN });
    const until = end?.seq ?? Number.MAX_SAFE_INTEGER;
    const found = this.#candidates[state].all({
      state,
      after,
      until,
      before,
      backfillsBefore,
      behind,
      rested: this.#env.now() - REST_MS,
      limit: ROWS_PER_STEP,
    });
    const silent = found.slice(
      0,
      this.#logs.remove(
        found.map(({ id }) => id),
        STEP_MS_MAX,
      ),
    );
    const removed = silent.length === 0 ? 0 : await this.#group.write(() => this.#removeAll(silent));
    // Not all that was found is gone: the next step finds the rest.
    if (removed < found.length) return { removed, cursor: String(found[removed - 1]?.seq ?? after) };
    if (found.length === ROWS_PER_STEP) return { removed, cursor: String(found.at(-1)?.seq) };
    // What was made later has not ended earlier.
    const isOver = end === null || (end.created_at >= before && end.seq > behind);
    return { removed, cursor: isOver ? null : String(until) };
  }

  /** As many as time allows, the first ones first. */
  #removeAll(rows: readonly Row[]): number {
    const until = this.#env.mono() + STEP_MS_MAX;
    let removed = 0;
    this.#begin.run();
    for (const { seq } of rows) {
      this.#remove.run({ seq });
      removed++;
      if (removed % LOOK_EVERY === 0 && this.#env.mono() >= until) break;
    }
    this.#end.run();
    return removed;
  }
}

/** Completed jobs are most of all: they are found among all. Others have an index. */
function forEachState<T>(make: (from: string, narrow: string) => T): Record<JobPruneRequest["state"], T> {
  return {
    completed: make("job NOT INDEXED", "TRUE"),
    failed: make("job INDEXED BY job_resting", "state = 'failed'"),
    cancelled: make("job INDEXED BY job_resting", "state = 'cancelled'"),
  };
}

function readSeq(cursor: string): number {
  if (!/^\d{1,16}$/.test(cursor)) throw noCursor(cursor);
  return Number(cursor);
}

function endSql(from: string, narrow: string): string {
  return `
  SELECT seq, created_at
    FROM ${from}
   WHERE ${narrow}
     AND seq > $after
   ORDER BY seq
   LIMIT 1
  OFFSET $rows`;
}

function candidatesSql(from: string, narrow: string): string {
  return `
  SELECT seq, id
    FROM ${from}
   WHERE ${narrow}
     AND seq > $after
     AND seq <= $until
     AND state = $state
     AND (   finished_at < CASE trigger WHEN 'backfill' THEN $backfillsBefore ELSE $before END
          OR (seq <= $behind AND finished_at < $rested AND trigger <> 'backfill'))
     AND (   schedule_id IS NULL
          OR (    NOT EXISTS (
                    SELECT 1
                      FROM schedule_run
                     WHERE schedule_id = job.schedule_id
                       AND last_job_id = job.id)
              AND NOT EXISTS (
                    SELECT 1
                      FROM objective_watch
                     WHERE schedule_id = job.schedule_id
                       AND node        = job.node
                       AND occurrence  = job.occurrence)))
     AND (unique_until IS NULL OR unique_until < $rested)
     AND NOT EXISTS (
           SELECT 1
             FROM job child INDEXED BY job_parent
            WHERE child.parent_id = job.id
              AND child.parent_id IS NOT NULL
              AND child.finished_at IS NULL)
     AND NOT EXISTS (
           SELECT 1
             FROM job_flow
            WHERE job_flow.job_id = job.id)
     AND (   parent_id IS NULL
          OR NOT EXISTS (
               SELECT 1
                 FROM job parent
                WHERE parent.id = job.parent_id
                  AND parent.finished_at IS NULL))
     AND (   retry_of IS NULL
          OR NOT EXISTS (
               SELECT 1
                 FROM job old
                WHERE old.id = job.retry_of))
   ORDER BY seq
   LIMIT $limit + 0`;
}
