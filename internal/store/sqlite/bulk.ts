/** Bulk in SQLite: jobs by what they have in common, read along an index, in stretches of some milliseconds. */
import type { Database, Statement } from "bun:sqlite";
import type { JobState, NewJob } from "../../job/job.ts";
import { laneOf, partsOf } from "../../job/lane.ts";
import type { BulkFilter, BulkJob, BulkStore, BulkStretch } from "../bulk.ts";
import type { Enqueued } from "../jobs.ts";
import type { GroupCommit } from "./group.ts";
import type { SqliteJobs } from "./jobs.ts";

const STRETCH_ROWS = 4_000; // Some milliseconds, however many of them match.

type Values = Record<string, string | number | null>;

interface Row {
  id: string;
  lane: string;
  state: JobState;
  at: number;
  error_kind: string | null;
}

export class SqliteBulk implements BulkStore {
  readonly #db: Database;
  readonly #group: GroupCommit;
  readonly #jobs: SqliteJobs;
  readonly #last: Statement<{ seq: number }, []>;
  readonly #retryOf: Statement<{ id: string; state: JobState }, [Values]>;

  constructor(db: Database, group: GroupCommit, jobs: SqliteJobs) {
    this.#db = db;
    this.#group = group;
    this.#jobs = jobs;
    this.#last = db.prepare("SELECT COALESCE(MAX(seq), 0) AS seq FROM job");
    this.#retryOf = db.prepare("SELECT id, state FROM job WHERE retry_of = $of LIMIT 1");
  }

  async match(filter: BulkFilter, from: { after: number; upTo: number } | null): Promise<BulkStretch> {
    const { after, upTo } = from ?? { after: 0, upTo: this.#last.get()?.seq ?? 0 };
    const to = Math.min(upTo, after + STRETCH_ROWS);
    const { tenant, plugin, handler } = partsOf(filter.handler ?? "");
    const found = this.#db.query<Row, Values>(BULK_SQL[narrowing(filter)]).all({
      after,
      to,
      states: JSON.stringify(filter.states),
      lane: filter.handler ?? null,
      tenant,
      handler: laneOf({ plugin, handler }), // With a plugin it is no handler's name: then the lane alone can match.
      scheduleId: filter.scheduleId ?? null,
      errorKind: filter.errorKind ?? null,
      since: filter.since ?? null,
      until: filter.until ?? null,
      notRetried: filter.notRetried ? 1 : 0,
    });
    return { found: found.map(readRow), next: to < upTo ? { after: to, upTo } : null };
  }

  cancel(ids: readonly string[], by: string): Promise<(JobState | null)[]> {
    return this.#group.write(() => ids.map((id) => this.#jobs.cancelNow(id, by)));
  }

  retry(jobs: readonly (NewJob & { retryOf: string })[]): Promise<Enqueued[]> {
    return this.#group.write(() =>
      jobs.map((job) => {
        const made = this.#retryOf.get({ of: job.retryOf });
        return made ? { ...made, created: false } : this.#jobs.insert(job);
      }),
    );
  }
}

function match(from: string, narrow: string): string {
  return `
  SELECT id, lane, state, COALESCE(finished_at, created_at) AS at,
         json_extract(error, '$.kind') AS error_kind
    FROM ${from}
   WHERE ${narrow}
     AND seq > $after
     AND seq <= $to
     AND state IN (SELECT value FROM json_each($states))
     AND ($lane       IS NULL OR lane        = $lane OR (handler = $handler AND tenant = $tenant))
     AND ($scheduleId IS NULL OR schedule_id = $scheduleId)
     AND ($errorKind  IS NULL OR json_extract(error, '$.kind') = $errorKind)
     AND ($since      IS NULL OR COALESCE(finished_at, created_at) >= $since)
     AND ($until      IS NULL OR COALESCE(finished_at, created_at) <  $until)
     AND ($notRetried = 0 OR NOT EXISTS (SELECT 1 FROM job r WHERE r.retry_of = job.id))
   ORDER BY seq`;
}

/** The query for each way to read along. */
export const BULK_SQL = {
  all: match("job NOT INDEXED", "TRUE"),
  handler: match("job INDEXED BY job_handler", "handler = $handler"),
  schedule: match("job INDEXED BY job_schedule", "schedule_id = $scheduleId AND schedule_id IS NOT NULL"),
  failed: match("job INDEXED BY job_resting", "state = 'failed'"),
  cancelled: match("job INDEXED BY job_resting", "state = 'cancelled'"),
} as const;

function narrowing({ states, handler, scheduleId }: BulkFilter): keyof typeof BULK_SQL {
  if (scheduleId !== undefined) return "schedule";
  const [state, ...more] = states;
  if (more.length === 0 && (state === "failed" || state === "cancelled")) return state;
  return handler === undefined || handler.includes("/") ? "all" : "handler";
}

function readRow({ id, lane, state, at, error_kind: errorKind }: Row): BulkJob {
  return { id, lane, state, at, errorKind };
}
