/**
 * Ledger: accounts for occurrences. Each step runs inside the caller's transaction
 * and moves a cursor together with the ledger rows and jobs that justify it.
 */
import { type Database, SQLiteError, type Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { assert, messageOf } from "../../base/fault.ts";
import { newId } from "../../base/id.ts";
import type { NewJob } from "../../job/job.ts";
import {
  decide,
  type DecidedRow,
  type Decision,
  effectiveAt,
  nextWithin,
  quietRange,
} from "../../schedule/decide.ts";
import { type Recurrence, recurrence } from "../../schedule/recurrence.ts";
import type { Pause, Policy, Spec } from "../../schedule/schedule.ts";
import type { Fired } from "../store.ts";
import type { SqliteJobs } from "./jobs.ts";
import { readPolicy, type ScheduleCursorRow } from "./schedule-row.ts";
import type { ScheduleSql } from "./schedule-sql.ts";

/** A schedule that cannot be evaluated is looked at again after this long: it is our bug, and must not spin. */
const BROKEN_PAUSE_MS = 60_000;

export class Ledger {
  readonly #env: Env;
  readonly #sql: ScheduleSql;
  readonly #jobs: SqliteJobs;
  readonly #savepoint: Statement;
  readonly #rollbackTo: Statement;
  readonly #release: Statement;

  constructor(env: Env, { db, sql, jobs }: { db: Database; sql: ScheduleSql; jobs: SqliteJobs }) {
    this.#env = env;
    this.#sql = sql;
    this.#jobs = jobs;
    this.#savepoint = db.prepare("SAVEPOINT schedule");
    this.#rollbackTo = db.prepare("ROLLBACK TO schedule");
    this.#release = db.prepare("RELEASE schedule");
  }

  /** Accounts for up to `limit` schedules that are due on this node. */
  fire(nodeId: string, limit: number): Fired {
    const now = this.#env.now();
    const fired: Fired = { settled: 0, jobs: [], broken: [], nextDueAt: null };
    for (const node of ["", nodeId]) {
      const rows = this.#sql.due.all({ node, now, limit: limit - fired.settled });
      for (const row of rows) this.#settle(row, now, fired);
    }
    const dueTimes = ["", nodeId].flatMap((node) => this.#sql.nextDue.get({ node })?.due_at ?? []);
    fired.nextDueAt = dueTimes.length > 0 ? Math.min(...dueTimes) : null;
    return fired;
  }

  /** Accounts for what is due of one schedule, before something about it changes. */
  account(id: string, now: Millis): void {
    const fired: Fired = { settled: 0, jobs: [], broken: [], nextDueAt: null };
    for (const row of this.#sql.cursors.all({ id })) {
      if (row.due_at !== null && row.due_at <= now) this.#settle(row, now, fired);
    }
  }

  /**
   * Records the occurrences since the cursor that did not start, because the schedule
   * is paused, or because it was changed or deleted before their jitter was over.
   */
  recordQuiet(id: string, node: string, outcome: "paused" | "deleted", now: Millis): void {
    const row = this.#cursor(id, node);
    if (!row) return;
    const span = { after: row.accounted_until, until: now, outcome };
    const range = quietRange(recurrenceOf(row), readPolicy(row.policy), span);
    if (range) this.#write(row, range, { now, jobId: null, relatedJobId: null });
    this.#move(row, { accountedUntil: Math.max(now, row.accounted_until), next: null, dueAt: null });
  }

  /** Nothing of this schedule is due on a node until it is restarted there. */
  stop(id: string, node: string): void {
    const row = this.#cursor(id, node);
    if (row) this.#move(row, { accountedUntil: row.accounted_until, next: null, dueAt: null });
  }

  /** Puts the cursor at `now`: the next occurrence is the first one after it. A schedule without one is finished. */
  restart(id: string, node: string, now: Millis): void {
    const row = this.#sql.get.get({ id });
    assert(row, `schedule ${id} exists`);
    const policy = readPolicy(row.policy);
    const every = recurrenceOf(row);
    // A clock that went back must not make an accounted occurrence due again.
    const accountedUntil = Math.max(now, this.#cursor(id, node)?.accounted_until ?? now);
    const spent = policy.runsMax !== null && row.run_count >= policy.runsMax;
    const next = row.state === "active" && !spent ? nextWithin(every, policy, accountedUntil) : null;
    const dueAt = next === null ? null : effectiveAt(id, next, policy, every);
    this.#sql.insertCursor.run({ id, node, accountedUntil, next, dueAt });
    if (row.state === "active" && next === null) this.#finish(id, now);
  }

  #cursor(id: string, node: string): ScheduleCursorRow | undefined {
    return this.#sql.cursors.all({ id }).find((cursor) => cursor.node === node);
  }

  /** Accounts for one schedule in a savepoint of its own: one that cannot be must not hold up the others. */
  #settle(row: ScheduleCursorRow, now: Millis, fired: Fired): void {
    const jobsBefore = fired.jobs.length;
    this.#savepoint.run();
    try {
      const open = this.#sql.openJob.get({ id: row.id, node: row.node })?.id ?? null;
      this.#apply(row, decideRow(row, now, open !== null), { now, open, fired });
      fired.settled += 1;
    } catch (error) {
      if (!isOurMistake(error)) throw error;
      this.#rollbackTo.run();
      fired.jobs.length = jobsBefore;
      this.#sql.postpone.run({ id: row.id, node: row.node, dueAt: now + BROKEN_PAUSE_MS });
      fired.broken.push({ scheduleId: row.id, message: messageOf(error) });
    }
    this.#release.run();
  }

  #apply(
    row: ScheduleCursorRow,
    decision: Decision,
    { now, open, fired }: { now: Millis; open: string | null; fired: Fired },
  ): void {
    this.#move(row, decision);
    const jobs = new Map<Millis, string>();
    for (const decided of decision.rows) {
      if (decided.fires) jobs.set(decided.occurrence, this.#insertJob(row, decided, fired));
    }
    let previous = open;
    for (const decided of decision.rows) {
      const jobId = jobs.get(decided.occurrence) ?? null;
      const related = decided.into === null ? previous : (jobs.get(decided.into) ?? null);
      const relatedJobId =
        decided.outcome === "skipped-overlap" || decided.outcome === "coalesced" ? related : null;
      this.#write(row, decided, { now, jobId: decided.fires ? jobId : null, relatedJobId });
      previous = jobId ?? previous;
    }
    const lastJobId = [...jobs.values()].at(-1);
    if (lastJobId) this.#sql.ran.run({ id: row.id, count: jobs.size, at: now, jobId: lastJobId });
    if (decision.next === null) this.#finish(row.id, now);
  }

  #insertJob(row: ScheduleCursorRow, decided: DecidedRow, fired: Fired): string {
    const job = jobOf(row, decided, newId(this.#env, "JB"));
    const { created } = this.#jobs.insert(job);
    assert(created, `occurrence ${decided.occurrence} of ${row.id} has no job yet`);
    const lane = job.plugin ? `${job.plugin}/${job.handler}` : job.handler;
    fired.jobs.push({ id: job.id, lane, scheduleId: row.id, occurrence: decided.occurrence });
    return job.id;
  }

  #write(
    row: ScheduleCursorRow,
    decided: DecidedRow,
    { now, jobId, relatedJobId }: { now: Millis; jobId: string | null; relatedJobId: string | null },
  ): void {
    const { occurrence, lastOccurrence, count, outcome } = decided;
    const note = outcome === "paused" && row.pause ? pauseNote(row.pause) : "";
    this.#sql.insertOccurrence.run({
      id: row.id,
      node: row.node,
      occurrence,
      lastOccurrence,
      count,
      outcome,
      jobId,
      relatedJobId,
      now,
      revision: row.revision,
      note,
    });
  }

  #move(
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

  #finish(id: string, now: Millis): void {
    this.#sql.setState.run({ id, state: "finished", pause: null, deletedBy: null, now });
  }
}

/** Not the disk's: a plan that cannot be evaluated, or a row that contradicts another. */
function isOurMistake(error: unknown): boolean {
  return !(error instanceof SQLiteError) || (error.code ?? "").startsWith("SQLITE_CONSTRAINT");
}

function recurrenceOf({
  spec,
  timezone,
  anchor,
  policy,
}: Pick<ScheduleCursorRow, "spec" | "timezone" | "anchor" | "policy">): Recurrence {
  const { dstGap, dstFold }: Policy = readPolicy(policy);
  return recurrence({ spec: JSON.parse(spec) as Spec, timezone, anchor, dstGap, dstFold });
}

function decideRow(row: ScheduleCursorRow, now: Millis, open: boolean): Decision {
  return decide({
    scheduleId: row.id,
    recurrence: recurrenceOf(row),
    policy: readPolicy(row.policy),
    accountedUntil: row.accounted_until,
    now,
    open,
    runCount: row.run_count,
  });
}

/** Why, and who says so. The pause itself is gone once its occurrences are recorded. */
function pauseNote(pause: string): string {
  const { note, by } = JSON.parse(pause) as Pause;
  return note === "" ? `by ${by}` : `${note} (by ${by})`;
}

/** The job of an occurrence: the schedule's target with the schedule's payload and policies. */
function jobOf(
  row: ScheduleCursorRow,
  { occurrence, catchup }: DecidedRow,
  id: string,
): NewJob & { plugin: string } {
  assert(row.target_kind === "handler", `schedule ${row.id} has a handler`);
  const policy = readPolicy(row.policy);
  const slash = row.target.indexOf("/");
  return {
    id,
    handler: row.target.slice(slash + 1),
    plugin: slash < 0 ? "" : row.target.slice(0, slash),
    payload: row.payload,
    tenant: row.tenant,
    source: `schedule:${row.id}`,
    owner: `${row.owner_kind}:${row.owner_name}`,
    trigger: "schedule",
    priority: policy.priority,
    maxAttempts: policy.maxAttempts ?? undefined,
    retry: policy.retry ?? undefined,
    timeoutMs: policy.timeoutMs ?? undefined,
    scheduleId: row.id,
    occurrence,
    node: row.node,
    catchup,
  };
}
