/**
 * Journal: every change of a row that was committed, in order. Triggers write it
 * into a temporary table, so that it is part of the transaction it tells of: what
 * was rolled back was never there. Only the simulation's own database has it.
 */
import type { Database, Statement } from "bun:sqlite";
import type { BudgetLimit } from "../../internal/base/budget.ts";
import type { JobError, JobState } from "../../internal/job/job.ts";
import type { OccurrenceOutcome, ScheduleState } from "../../internal/schedule/schedule.ts";

/** A job as it stands after a change. `token` is what its client called it. */
export interface JobRecord {
  id: string;
  seq: number;
  token: string;
  handler: string;
  lane: string;
  trigger: string;
  priority: number;
  state: JobState;
  runAt: number;
  attempt: number;
  /** Null until the first claim, which asks the handler. */
  maxAttempts: number | null;
  fence: number;
  lost: number;
  suspect: number;
  interrupted: number;
  cancelRequested: number;
  bootId: string | null;
  uniqueKey: string | null;
  parentId: string | null;
  scheduleId: string | null;
  occurrence: number | null;
  runCount: number | null;
  node: string;
  pluginVersion: string | null;
  progress: string | null;
  createdAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  /** When a job that nobody has started fails. */
  expiresAt: number | null;
  error: string | null;
  result: string | null;
  checkpoint: string | null;
  retry: string | null;
  timeoutMs: number | null;
  snoozed: number;
  concurrencyKey: string | null;
  /** 1 while as many of its key have a place as may. */
  crowded: number;
  /** How many jobs it waits for. */
  waits: number;
  retryOf: string | null;
  costEstimate: number;
  costActual: number;
}

/** Limits of a handler, as the store has them. */
export interface LimitRecord {
  handler: string;
  perKey: number | null;
  rateCount: number | null;
  rateMs: number | null;
  burst: number | null;
}

export interface ScheduleRecord {
  id: string;
  declaredId: string;
  token: string;
  spec: string;
  timezone: string;
  anchor: number;
  policy: string;
  locking: string;
  state: ScheduleState;
  /** Why it is paused, as JSON. */
  pause: string | null;
  revision: number;
}

/** What a schedule has run so far. */
export interface RunsRecord {
  scheduleId: string;
  count: number;
}

export interface CursorRecord {
  scheduleId: string;
  node: string;
  accountedUntil: number;
  next: number | null;
  dueAt: number | null;
}

export interface OccurrenceRecord {
  scheduleId: string;
  occurrence: number;
  lastOccurrence: number;
  node: string;
  outcome: OccurrenceOutcome;
  jobId: string | null;
  count: number;
  decidedAt: number;
  revision: number;
  /** What the lock server is asked for; null when it is not. */
  lockKey: string | null;
}

export interface EventRecord {
  kind: string;
  subject: string;
  node: string;
  message: string;
}

/** A schedule that misses its objectives on a node. */
export interface MissRecord {
  scheduleId: string;
  node: string;
  occurrence: number;
  count: number;
}

/** A named blackout. */
export interface BlackoutRecord {
  name: string;
  timezone: string;
  ranges: string;
}

/** One limit of a budget. */
export interface BudgetRecord {
  scope: string;
  limit: BudgetLimit;
  amount: number;
}

/** What happened to a row. */
export type Change =
  | { kind: "job made" | "job changed"; row: JobRecord }
  | { kind: "job removed"; row: { id: string } }
  | { kind: "schedule made" | "schedule changed"; row: ScheduleRecord }
  | { kind: "runs made" | "runs changed"; row: RunsRecord }
  | { kind: "cursor made" | "cursor changed"; row: CursorRecord }
  | { kind: "occurrence made" | "occurrence changed" | "occurrence removed"; row: OccurrenceRecord }
  | { kind: "miss made" | "miss changed" | "miss removed"; row: MissRecord }
  | { kind: "blackout made" | "blackout changed" | "blackout removed"; row: BlackoutRecord }
  | { kind: "limit made" | "limit changed" | "limit removed"; row: LimitRecord }
  | { kind: "budget made" | "budget changed" | "budget removed"; row: BudgetRecord }
  | { kind: "pause made" | "pause changed" | "pause removed"; row: { handler: string } }
  | { kind: "event made" | "event removed"; row: EventRecord };

/** The error of a job, read from its row. */
export function errorOf(job: JobRecord): JobError | null {
  return job.error === null ? null : (JSON.parse(job.error) as JobError);
}

export class Journal {
  readonly #db: Database;
  readonly #read: Statement<{ n: number; kind: string; row: string }, [number]>;
  readonly #clear: Statement;
  #last = 0;

  constructor(db: Database) {
    db.run("PRAGMA temp_store = MEMORY");
    db.run(
      "CREATE TEMP TABLE journal (n INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, row TEXT NOT NULL)",
    );
    for (const trigger of TRIGGERS) db.run(trigger);
    this.#db = db;
    this.#read = db.prepare("SELECT n, kind, row FROM temp.journal WHERE n > ? ORDER BY n");
    this.#clear = db.prepare("DELETE FROM temp.journal");
  }

  /** The database is not gone before its last statement. */
  close(): void {
    this.#read.finalize();
    this.#clear.finalize();
  }

  /** What was committed since the last time, and the text of it. */
  take(): { change: Change; text: string }[] {
    if (this.#db.inTransaction) return []; // Nothing of it is certain yet.
    const rows = this.#read.all(this.#last);
    const last = rows.at(-1);
    if (!last) return [];
    this.#last = last.n;
    this.#clear.run();
    return rows.map(({ kind, row }) => ({
      change: { kind, row: JSON.parse(row) } as Change, // Our own triggers wrote it.
      text: `${kind} ${row}`,
    }));
  }
}

const TOKEN = "json_extract(CAST(new.payload AS TEXT), '$.token')";

const JOB = {
  id: "id",
  seq: "seq",
  token: TOKEN,
  handler: "handler",
  lane: "lane",
  trigger: "trigger",
  priority: "priority",
  state: "state",
  runAt: "run_at",
  attempt: "attempt",
  maxAttempts: "max_attempts",
  fence: "fence",
  lost: "lost",
  suspect: "suspect",
  interrupted: "interrupted",
  cancelRequested: "cancel_requested",
  bootId: "boot_id",
  uniqueKey: "unique_key",
  parentId: "parent_id",
  scheduleId: "schedule_id",
  occurrence: "occurrence",
  runCount: "run_count",
  node: "node",
  pluginVersion: "plugin_version",
  progress: "progress",
  createdAt: "created_at",
  startedAt: "started_at",
  finishedAt: "finished_at",
  expiresAt: "expires_at",
  error: "error",
  result: "CAST(new.result AS TEXT)",
  checkpoint: "CAST(new.checkpoint AS TEXT)",
  retry: "retry",
  timeoutMs: "timeout_ms",
  snoozed: "snoozed",
  concurrencyKey: "concurrency_key",
  crowded: "crowded",
  waits: "waits",
  retryOf: "retry_of",
  costEstimate: "cost_estimate",
  costActual: "cost_actual",
};

const SCHEDULE = {
  id: "id",
  declaredId: "declared_id",
  token: TOKEN,
  spec: "spec",
  timezone: "timezone",
  anchor: "anchor",
  policy: "policy",
  locking: "locking",
  state: "state",
  pause: "pause",
  revision: "revision",
};

const RUNS = { scheduleId: "schedule_id", count: "run_count" };

const CURSOR = {
  scheduleId: "schedule_id",
  node: "node",
  accountedUntil: "accounted_until",
  next: "next_occurrence",
  dueAt: "due_at",
};

const OCCURRENCE = {
  scheduleId: "schedule_id",
  occurrence: "occurrence",
  lastOccurrence: "last_occurrence",
  node: "node",
  outcome: "outcome",
  jobId: "job_id",
  count: "count",
  decidedAt: "decided_at",
  revision: "revision",
  lockKey: "lock_key",
};

const MISS = { scheduleId: "schedule_id", node: "node", occurrence: "occurrence", count: "count" };

const BLACKOUT = { name: "name", timezone: "timezone", ranges: "ranges" };

const LIMIT = {
  handler: "handler",
  perKey: "per_key",
  rateCount: "rate_count",
  rateMs: "rate_ms",
  burst: "burst",
};

const BUDGET = { scope: "scope", limit: "limit_name", amount: "amount" };

const EVENT = {
  kind: "kind",
  subject: "subject",
  node: "COALESCE(json_extract(new.data, '$.node'), '')",
  message: "message",
};

const TRIGGERS = [
  ...triggersOf("job", "job", JOB),
  ...triggersOf("schedule", "schedule", SCHEDULE),
  ...triggersOf("schedule_run", "runs", RUNS),
  ...triggersOf("schedule_cursor", "cursor", CURSOR),
  ...triggersOf("occurrence", "occurrence", OCCURRENCE),
  ...triggersOf("objective_missed", "miss", MISS),
  ...triggersOf("blackout", "blackout", BLACKOUT),
  ...triggersOf("handler_limit", "limit", LIMIT),
  ...triggersOf("budget", "budget", BUDGET),
  ...triggersOf("handler_pause", "pause", { handler: "handler" }),
  ...triggersOf("event", "event", EVENT),
];

/** What a statement sets beside the columns that are told of is no change. */
function triggersOf(table: string, noun: string, columns: Record<string, string>): string[] {
  const told = Object.values(columns).map((column) => /new\.(\w+)/.exec(column)?.[1] ?? column);
  const valueOf = (column: string, row: string) =>
    column.includes("new.") ? column.replaceAll("new.", `${row}.`) : `${row}.${column}`;
  const json = (row: string) =>
    `json_object(${Object.entries(columns).map(([name, column]) => `'${name}', ${valueOf(column, row)}`)})`;
  const trigger = (event: string, verb: string, row: string) => `
    CREATE TEMP TRIGGER ${noun}_${verb} AFTER ${event} ON main.${table} BEGIN
      INSERT INTO journal (kind, row) VALUES ('${noun} ${verb}', ${json(row)});
    END`;
  return [
    trigger("INSERT", "made", "new"),
    trigger(`UPDATE OF ${told}`, "changed", "new"),
    trigger("DELETE", "removed", "old"),
  ];
}
