/**
 * JobInserts: new jobs, written inside the running group.
 *
 * A statement opens every index of the table before it writes its first row, which costs
 * half as much as the row. So jobs that differ in nothing but their id and payload are
 * written a hundred to a statement, and what they share is bound once.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { assert, Fault, shown } from "../../base/fault.ts";
import type { JobState, NewJob } from "../../job/job.ts";
import { laneOf } from "../../job/lane.ts";
import type { Enqueued } from "../jobs.ts";
import type { Values } from "./job-sql.ts";

type Value = Values[string];

const ROWS = [100, 10, 1] as const; // Of a statement. Five hundred are a tenth faster, and five times as long.

/** What a new job means for others. */
export interface JobInsertParts {
  env: Env;
  db: Database;
  /** It has a concurrency key. */
  onKeyed: (job: NewJob, key: string) => void;
  /** It has a parent, waits for others, or says what becomes of its children. */
  onRelated: (job: NewJob) => void;
  /** Jobs of this lane were queued. */
  onQueued: (lane: string) => void;
}

/** A job as it is written. */
interface Row {
  job: NewJob;
  lane: string;
  state: JobState;
  /** All but id and payload, in the order of the statement. */
  shared: Value[];
}

interface ExistingRow {
  seq: number;
  id: string;
  state: JobState;
  tenant: string;
  owner: string;
}

export class JobInserts {
  readonly #parts: JobInsertParts;
  /** What writes so many rows, the most first. */
  readonly statements: readonly { rows: number; statement: Statement<unknown, Value[]> }[];
  readonly #keptKey: Statement<{ id: string; state: JobState }, [Values]>;
  readonly #keepKey: Statement<unknown, [Values]>;
  readonly #existing: Statement<ExistingRow, [Values]>;

  constructor(parts: JobInsertParts) {
    const { db } = parts;
    this.#parts = parts;
    this.statements = ROWS.map((rows) => ({ rows, statement: db.prepare(insertSql(rows)) }));
    this.#keptKey = db.prepare(KEPT_KEY);
    this.#keepKey = db.prepare("UPDATE job SET unique_until = $until WHERE id = $id");
    this.#existing = db.prepare(EXISTING);
  }

  /** Writes jobs in their order. */
  many(jobs: readonly NewJob[]): Enqueued[] {
    const now = this.#parts.env.now();
    const enqueued: Enqueued[] = [];
    let alike: Row[] = [];
    for (const job of jobs) {
      const row = rowOf(job, now);
      const [first] = alike;
      if (first && !(isPlain(job) && isAlike(first, row))) {
        enqueued.push(...this.#together(alike));
        alike = [];
      }
      if (isPlain(job)) alike.push(row);
      else enqueued.push(this.#alone(row, now));
    }
    return [...enqueued, ...this.#together(alike)];
  }

  /** Writes one job. */
  one(job: NewJob): Enqueued {
    const now = this.#parts.env.now();
    return this.#alone(rowOf(job, now), now);
  }

  #alone(row: Row, now: Millis): Enqueued {
    const { job } = row;
    const keeper = job.uniqueKey === undefined ? null : this.#keeper(job, job.uniqueKey, now);
    if (keeper) return { ...keeper, created: false };
    const [enqueued] = this.#together([row]);
    assert(enqueued, "a job that is written has an answer");
    if (!enqueued.created) return enqueued;
    if (job.uniqueForMs !== undefined) this.#keepKey.run({ id: job.id, until: now + job.uniqueForMs });
    if (job.concurrencyKey !== undefined) this.#parts.onKeyed(job, job.concurrencyKey);
    if (isRelated(job)) this.#parts.onRelated(job);
    return enqueued;
  }

  /** Writes rows that share all but id and payload. */
  #together(alike: readonly Row[]): Enqueued[] {
    const enqueued: Enqueued[] = [];
    for (const { rows, statement } of this.statements)
      while (alike.length - enqueued.length >= rows)
        enqueued.push(...this.#run(statement, alike.slice(enqueued.length, enqueued.length + rows)));
    return enqueued;
  }

  /** Writes as many rows as the statement has. */
  #run(statement: Statement<unknown, Value[]>, alike: readonly Row[]): Enqueued[] {
    const [first] = alike;
    assert(first, "a statement that writes jobs has some");
    const values = [...first.shared];
    for (const { job } of alike) values.push(job.id, job.payload);
    const { changes, lastInsertRowid } = statement.run(...values);
    if (changes > 0 && first.state === "queued") this.#parts.onQueued(first.lane);
    if (changes === alike.length)
      return alike.map(({ job: { id }, state }) => ({ id, state, created: true }));
    // Where nothing was written, the number is that of a row of whatever was written before.
    return this.#met(alike, changes === 0 ? Number.POSITIVE_INFINITY : Number(lastInsertRowid) - changes);
  }

  /** Says which of the rows were written, when others stood in their way: those behind the last that was there. */
  #met(alike: readonly Row[], last: number): Enqueued[] {
    const written = new Set<string>();
    return alike.map(({ job }) => {
      const row = this.#standing(job);
      const created = row.id === job.id && row.seq > last && !written.has(row.id);
      if (created) written.add(row.id);
      return { id: row.id, state: row.state, created };
    });
  }

  /** The job that has the id or the key of this one. Throws a Fault where somebody else's has its id: nothing is said of that one. */
  #standing({ id, tenant = "", owner = "", handler, uniqueKey }: NewJob): ExistingRow {
    const row = this.#existing.get({ id, tenant, handler, uniqueKey: uniqueKey ?? null });
    assert(row, `an insert of job ${id} met a job, or wrote one`);
    const byId = row.id === id && row.owner !== owner; // A key is its handler's, whoever asks for it.
    if (!byId && row.tenant === tenant) return row;
    throw new Fault("conflict", `The id ${shown(id)} is taken.`, { hint: "Give the job another one." });
  }

  /** The job that holds a key for a while. */
  #keeper({ tenant = "", handler }: NewJob, uniqueKey: string, now: Millis) {
    return this.#keptKey.get({ tenant, handler, uniqueKey, now });
  }
}

/** True when nothing but the row has to be written, and only its id can be taken. */
function isPlain(job: NewJob): boolean {
  return job.uniqueKey === undefined && job.concurrencyKey === undefined && !isRelated(job);
}

function isRelated({ parentId, waitFor, childPolicy }: NewJob): boolean {
  return parentId !== undefined || waitFor !== undefined || childPolicy !== undefined;
}

function isAlike(a: Row, b: Row): boolean {
  for (let n = 0; n < a.shared.length; n++) if (a.shared[n] !== b.shared[n]) return false;
  return true;
}

function rowOf(job: NewJob, now: Millis): Row {
  const lane = laneOf(job);
  const runAt = job.runAt ?? now;
  const later = runAt > now || (job.waitFor !== undefined && job.waitFor.length > 0);
  const state: JobState = job.held ? "paused" : later ? "scheduled" : "queued";
  const shared = [
    job.tenant ?? "",
    job.handler,
    job.plugin ?? "",
    lane,
    job.trigger ?? "enqueue",
    job.source ?? "",
    job.owner ?? "",
    job.priority ?? 0,
    state,
    runAt,
    job.maxAttempts ?? null,
    job.uniqueKey ?? null,
    job.parentId ?? null,
    job.retryOf ?? null,
    job.scheduleId ?? null,
    job.occurrence ?? null,
    job.runCount ?? null,
    job.declaredId ?? "",
    job.node ?? "",
    job.catchup ? 1 : 0,
    job.expiresAt ?? null,
    job.timeoutMs ?? null,
    job.retry ? JSON.stringify(job.retry) : null,
    job.costEstimate ?? 0,
    job.traceparent ?? null,
    now,
  ];
  return { job, lane, state, shared };
}

const SHARED = `tenant, handler, plugin, lane, trigger, source, owner, priority, state, run_at, max_attempts, unique_key,
               parent_id, retry_of, schedule_id, occurrence, run_count, declared_id, node, catchup, expires_at, timeout_ms,
               retry, cost_estimate, traceparent, created_at`;

/** One statement for so many rows: what they share has a number, what is each one's own follows behind it. */
function insertSql(rows: number): string {
  const shared = SHARED.split(",").map((_, n) => `?${n + 1}`);
  const own = (row: number) => [1, 2].map((n) => `?${shared.length + 2 * row + n}`);
  const values = Array.from({ length: rows }, (_, row) => `(${[...shared, ...own(row)].join(", ")})`);
  return `
  INSERT INTO job (${SHARED}, id, payload)
  VALUES ${values.join(",\n         ")}
  ON CONFLICT DO NOTHING`;
}

// Whose key is held for a while, whether it has ended or not.
const KEPT_KEY = `
  SELECT id, state
    FROM job INDEXED BY job_unique_until
   WHERE tenant       = $tenant
     AND handler      = $handler
     AND unique_key   = $uniqueKey
     AND unique_until > $now
     AND unique_until IS NOT NULL
   LIMIT 1`;

const EXISTING = `
  SELECT seq, id, state, tenant, owner
    FROM job
   WHERE id = $id
      OR (tenant = $tenant AND handler = $handler AND unique_key = $uniqueKey
          AND unique_key IS NOT NULL AND finished_at IS NULL)
   LIMIT 1`;
