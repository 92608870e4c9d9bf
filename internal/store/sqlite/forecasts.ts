/** What forecasts read, in SQLite. Nothing is written: it works on a connection that may not. */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import type { JobState } from "../../job/job.ts";
import type { Span } from "../../schedule/span.ts";
import type { Waiting } from "../../schedule/overlap.ts";
import type { RecordedRow } from "../../schedule/past.ts";
import type { Schedule } from "../../schedule/schedule.ts";
import type { OpenedForecastSource, OpenRun } from "../forecasts.ts";
import type { CursorHistory } from "../ledger.ts";
import { TOOK } from "./paces.ts";
import { type OccurrenceRow, readSchedule, type ScheduleRow } from "./schedule-row.ts";
import { JOIN_RUNS, RUNS } from "./schedule-sql.ts";
import { Terms } from "./terms.ts";

type Values = Record<string, string | number>;
type ShownRow = ScheduleRow & { next_occurrence: number | null };
type RecordRow = OccurrenceRow & {
  run_started_at: number | null;
  run_ended_at: number | null;
  run_state: JobState | null;
};

const LOOK_BACK_MS: Millis = 7 * 86_400_000; // No job may take longer than a week.

export class SqliteForecasts implements OpenedForecastSource {
  readonly #db: Database;
  readonly #terms: Terms;
  readonly #one: Statement<ShownRow, [Values]>;
  readonly #page: Statement<ShownRow, [Values]>;
  readonly #took: Statement<{ took: number }, [Values]>;
  readonly #record: Statement<RecordRow, [Values]>;
  readonly #horizon: Statement<{ value: string }, []>;
  readonly #openAt: Statement<{ startsAt: number; endsAt: number | null }, [Values]>;
  readonly #runsSince: Statement<{ count: number }, [Values]>;
  readonly #open: Statement<OpenRun, [Values]>;
  readonly #waiting: Statement<{ occurrence: number; catchup: number }, [Values]>;

  constructor(db: Database, { tzdata }: { tzdata: string }) {
    this.#db = db;
    this.#terms = new Terms(db, tzdata);
    this.#one = db.prepare(`${SCHEDULE} WHERE s.id = $id`);
    this.#page = db.prepare(PAGE);
    this.#took = db.prepare(TOOK);
    this.#record = db.prepare(RECORD);
    this.#horizon = db.prepare("SELECT value FROM meta WHERE key = 'ledger_horizon'");
    this.#openAt = db.prepare(OPEN_AT);
    this.#runsSince = db.prepare(RUNS_SINCE);
    this.#open = db.prepare(OPEN);
    this.#waiting = db.prepare(WAITING);
  }

  close(): void {
    this.#db.close();
  }

  schedules(which: { ids: readonly string[] } | { after: string; limit: number }): Schedule[] {
    if ("ids" in which) return which.ids.flatMap((id) => this.#one.all({ id }).map(readSchedule));
    return this.#page.all({ ...which }).map(readSchedule);
  }

  took(id: string, limit: number): Millis[] {
    return this.#took.all({ id, limit }).map(({ took }) => took);
  }

  history(id: string): CursorHistory[] {
    return this.#terms.history(id);
  }

  horizon(): Millis | null {
    const row = this.#horizon.get();
    return row ? Number(row.value) : null;
  }

  record(id: string, node: string, { from, to }: Span): RecordedRow[] {
    return this.#record.all({ id, node, from, to }).map(readRecord);
  }

  openAt(id: string, node: string, at: Millis): { startsAt: Millis; endsAt: Millis }[] {
    const rows = this.#openAt.all({ id, node, at, since: at - LOOK_BACK_MS });
    return rows.map(({ startsAt, endsAt }) => ({ startsAt, endsAt: endsAt ?? Number.POSITIVE_INFINITY }));
  }

  runsSince(id: string, node: string, from: Millis): number {
    return this.#runsSince.get({ id, node, from })?.count ?? 0;
  }

  open(id: string, node: string): { runs: OpenRun[]; waiting: Waiting[] } {
    const waiting = this.#waiting.all({ id, node });
    return {
      runs: this.#open.all({ id, node }),
      waiting: waiting.map(({ occurrence, catchup }) => ({
        occurrence,
        catchup: catchup === 1,
        asks: false,
      })),
    };
  }
}

function readRecord(row: RecordRow): RecordedRow {
  const { outcome, count, run_started_at: startedAt, run_ended_at: endedAt } = row;
  return {
    occurrence: row.occurrence,
    lastOccurrence: row.last_occurrence,
    count,
    outcome,
    decidedAt: row.decided_at,
    seenAt: row.seen_at ?? row.decided_at,
    run: startedAt === null ? null : { startedAt, endedAt, cancelled: row.run_state === "cancelled" },
  };
}

/** All of a schedule but its payload: of ten thousand, that may be a gigabyte. */
const SCHEDULE = `
  SELECT s.id, s.tenant, s.name, s.owner_kind, s.owner_name, s.declared_id, s.declared_paused, s.target_kind, s.target,
         s.spec, s.timezone, s.anchor, s.policy, s.locking, s.state, s.pause, s.deleted_by, s.description, s.metadata,
         s.revision, s.failures, s.slow, s.created_at, s.updated_at, ${RUNS}, x'' AS payload, NULL AS next_occurrence
    FROM schedule s
    ${JOIN_RUNS}`;

const PAGE = `${SCHEDULE}
   WHERE s.id > $after
     AND (s.state = 'active' OR s.state = 'paused')
   ORDER BY s.id
   LIMIT $limit + 0`;

// From the last row before the span on, which may be a range that reaches into it.
const RECORD = `
  SELECT o.*, j.created_at AS run_started_at, j.finished_at AS run_ended_at, j.state AS run_state
    FROM occurrence o
    LEFT JOIN job j ON j.id = o.job_id
   WHERE o.schedule_id = $id
     AND o.node        = $node
     AND o.occurrence >= COALESCE((
           SELECT MAX(before.occurrence)
             FROM occurrence before
            WHERE before.schedule_id = $id
              AND before.node        = $node
              AND before.occurrence <= $from
              AND before.outcome    <> 'blackout'), $from)
     AND o.last_occurrence >= $from
     AND o.occurrence < $to
   ORDER BY o.occurrence`;

const OPEN_AT = `
  SELECT j.created_at AS startsAt, j.finished_at AS endsAt
    FROM occurrence o
    JOIN job j ON j.id = o.job_id
   WHERE o.schedule_id = $id
     AND o.occurrence >= $since
     AND o.occurrence < $at
     AND o.node        = $node
     AND (j.finished_at IS NULL OR j.finished_at > $at)`;

const RUNS_SINCE = `
  SELECT COUNT(*) AS count
    FROM occurrence
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence >= $from
     AND job_id IS NOT NULL`;

const OPEN = `
  SELECT occurrence, created_at AS startedAt
    FROM job INDEXED BY job_schedule_open
   WHERE schedule_id = $id
     AND node        = $node
     AND trigger     = 'schedule'
     AND finished_at IS NULL`;

const WAITING = `
  SELECT occurrence, catchup
    FROM occurrence INDEXED BY occurrence_pending
   WHERE schedule_id = $id
     AND node        = $node
     AND outcome     = 'pending'
   ORDER BY occurrence`;
