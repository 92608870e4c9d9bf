/**
 * Entries: what the ledger writes for a decision: rows, the jobs that they stand for,
 * and where the cursor goes. All of it in the transaction of whoever calls.
 */
import type { Env, Millis } from "../../base/env.ts";
import { assert } from "../../base/fault.ts";
import { newId } from "../../base/id.ts";
import type { NewJob } from "../../job/job.ts";
import { lockKey } from "../../schedule/lock.ts";
import type { Closing, Waiting } from "../../schedule/overlap.ts";
import type { DecidedRow } from "../../schedule/rows.ts";
import { runOf } from "../../schedule/run.ts";
import type { Pause } from "../../schedule/schedule.ts";
import type { Fired } from "../schedules.ts";
import type { CatchUp } from "./catch-up.ts";
import type { SqliteJobs } from "./jobs.ts";
import type { SqliteObjectives } from "./objectives.ts";
import { readPolicy, readTarget, type ScheduleCursorRow } from "./schedule-row.ts";
import type { ScheduleSql } from "./schedule-sql.ts";

/** An occurrence that becomes a job. */
export interface Run {
  occurrence: Millis;
  /** Which run of the schedule it is, from 1. */
  runCount: number;
  catchup: boolean;
}

/** What a row says beside the occurrence: when it was decided, and the jobs that it names. */
interface About {
  now: Millis;
  jobId: string | null;
  relatedJobId: string | null;
}

/** One schedule on one node while it is being accounted for. */
export interface Account {
  row: ScheduleCursorRow;
  now: Millis;
  /** The job of an earlier occurrence that is not finished. */
  open: string | null;
  fired: Fired;
}

interface EntriesParts {
  sql: ScheduleSql;
  jobs: SqliteJobs;
  objectives: SqliteObjectives;
  catchUp: CatchUp;
}

export class Entries {
  readonly #env: Env;
  readonly #sql: ScheduleSql;
  readonly #jobs: SqliteJobs;
  readonly #objectives: SqliteObjectives;
  readonly #catchUp: CatchUp;

  constructor(env: Env, { sql, jobs, objectives, catchUp }: EntriesParts) {
    this.#env = env;
    this.#catchUp = catchUp;
    this.#sql = sql;
    this.#jobs = jobs;
    this.#objectives = objectives;
  }

  /** Writes the rows of a decision; `jobs` are those that were made for them, by occurrence. */
  writeRows(
    { row, now, open }: Account,
    rows: readonly DecidedRow[],
    jobs: ReadonlyMap<Millis, string>,
  ): void {
    let previous = open;
    for (const decided of rows) {
      const jobId = jobs.get(decided.occurrence) ?? null;
      const related = decided.into === null ? previous : (jobs.get(decided.into) ?? null);
      const isRelated = ["skipped-overlap", "coalesced", "pending"].includes(decided.outcome);
      this.write(row, decided, {
        now,
        jobId: decided.fires ? jobId : null,
        relatedJobId: isRelated ? related : null,
      });
      previous = jobId ?? previous;
    }
  }

  /** Makes the job of an occurrence, and returns its id. */
  insertJob({ row, now, fired }: Account, run: Run, startAt?: Millis): string {
    const runAt = startAt ?? (run.catchup ? this.#catchUp.next(row.node, now) : undefined);
    const job = { ...jobOf(row, run, newId(this.#env, "JB")), runAt };
    const { created, state } = this.#jobs.insert(job);
    if (state === "scheduled") fired.delayed = true;
    assert(created, `occurrence ${run.occurrence} of ${row.id} has no job yet`);
    fired.jobs.push({ id: job.id, scheduleId: row.id, occurrence: run.occurrence });
    return job.id;
  }

  /** Ends the waiting of an occurrence. */
  close(
    row: ScheduleCursorRow,
    { occurrence, outcome, fires, note = "" }: Omit<Closing, "catchup">,
    { now, jobId, relatedJobId }: About,
  ): void {
    const { changes } = this.#sql.close.run({
      id: row.id,
      node: row.node,
      occurrence,
      outcome,
      jobId: fires ? jobId : null,
      relatedJobId: outcome === "skipped-overlap" ? relatedJobId : null,
      note,
      now,
    });
    assert(changes === 1, `occurrence ${occurrence} of ${row.id} was waiting`);
    if (!fires) this.#objectives.closed(row, { occurrence, outcome });
  }

  /** An occurrence has its lock, and waits for the run before it from now on. */
  lineUp({ row, open }: Account, { occurrence, catchup }: Waiting): void {
    const { id, node } = row;
    this.#sql.lineUp.run({ id, node, occurrence, catchup: catchup ? 1 : 0, relatedJobId: open });
  }

  /** Writes one row. */
  write(row: ScheduleCursorRow, decided: DecidedRow, { now, jobId, relatedJobId }: About): void {
    const { occurrence, lastOccurrence, count, outcome, catchup } = decided;
    this.#sql.insertOccurrence.run({
      id: row.id,
      node: row.node,
      occurrence,
      lastOccurrence,
      count,
      outcome,
      jobId,
      relatedJobId,
      catchup: catchup ? 1 : 0,
      now,
      revision: row.revision,
      note: noteOf(row, decided),
      lockKey: decided.asks ? lockKey(identityOf(row), occurrence) : null,
    });
    this.#objectives.decided(row, decided, relatedJobId);
  }

  /** Moves a cursor from where it was read. */
  move(
    row: ScheduleCursorRow,
    to: { accountedUntil: Millis; next: Millis | null; dueAt: Millis | null },
  ): void {
    const { changes } = this.#sql.advance.run({
      id: row.id,
      node: row.node,
      accountedUntil: to.accountedUntil,
      next: to.next,
      dueAt: to.dueAt,
      accountedBefore: row.accounted_until,
    });
    assert(changes === 1, `the cursor of ${row.id} stands where it was read`);
  }
}

/** What two hosts know of the same schedule. */
function identityOf(row: ScheduleCursorRow): Parameters<typeof lockKey>[0] {
  const owner = { kind: row.owner_kind, name: row.owner_name };
  return { id: row.id, tenant: row.tenant, owner, declaredId: row.declared_id, name: row.name };
}

/** What the ledger says beside the outcome: the note of a pause or a blackout. */
function noteOf(row: ScheduleCursorRow, { outcome, occurrence }: DecidedRow): string {
  if (outcome === "paused" && row.pause) return pauseNote(row.pause);
  if (outcome !== "blackout") return "";
  const { blackouts } = readPolicy(row.policy);
  return blackouts.find(({ from, to }) => from <= occurrence && occurrence < to)?.note ?? "";
}

/** Why, and who says so. The pause itself is gone once its occurrences are recorded. */
export function pauseNote(pause: string): string {
  const { note, by } = JSON.parse(pause) as Pause;
  return note === "" ? `by ${by}` : `${note} (by ${by})`;
}

/** The job of an occurrence of the plan. */
export function jobOf(
  row: ScheduleCursorRow,
  { occurrence, runCount, catchup }: Run,
  id: string,
): NewJob & { plugin: string } {
  const policy = readPolicy(row.policy);
  return {
    ...runOf({
      ...identityOf(row),
      target: readTarget(row.target_kind, row.target),
      payload: row.payload,
      policy,
    }),
    id,
    source: `schedule:${row.id}`,
    trigger: "schedule",
    scheduleId: row.id,
    occurrence,
    runCount,
    node: row.node,
    catchup,
    expiresAt: occurrence + policy.jitterMs + policy.latenessMaxMs,
  };
}
