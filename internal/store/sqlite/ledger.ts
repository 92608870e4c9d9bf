/**
 * Ledger: accounts for occurrences. Each step runs inside the caller's transaction
 * and moves a cursor together with the ledger rows and jobs that justify it.
 */
import { type Database, SQLiteError, type Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { assert, messageOf } from "../../base/fault.ts";
import { newId } from "../../base/id.ts";
import type { NewJob } from "../../job/job.ts";
import { decide, type Decision, look, quietRange } from "../../schedule/decide.ts";
import { type Closing, type Stop, TERMINATE_GRACE_MS, type Waiting } from "../../schedule/overlap.ts";
import { type Recurrence, recurrence } from "../../schedule/recurrence.ts";
import type { DecidedRow } from "../../schedule/rows.ts";
import type { OccurrenceOutcome, Pause, Policy, Spec } from "../../schedule/schedule.ts";
import type { Fired } from "../store.ts";
import type { SqliteEvents } from "./events.ts";
import type { RunEnd, SqliteJobs } from "./jobs.ts";
import { readPolicy, type ScheduleCursorRow } from "./schedule-row.ts";
import type { ScheduleSql } from "./schedule-sql.ts";
import type { Terms } from "./terms.ts";

/** A schedule that cannot be evaluated is looked at again after this long: it is our bug, and must not spin. */
const BROKEN_PAUSE_MS = 60_000;

/** After this long a step ends and others have their turn. */
const FIRE_MS_MAX: Millis = 10;

/** Between the starts of runs that are made up for: a thousand schedules that wake up together must not stampede. */
const CATCHUP_SPACING_MS = 10;

/** An occurrence that becomes a job. */
interface Run {
  occurrence: Millis;
  /** Which run of the schedule it is, from 1. */
  runCount: number;
  catchup: boolean;
}

/** One schedule on one node while it is being accounted for. */
interface Account {
  row: ScheduleCursorRow;
  now: Millis;
  /** The job of an earlier occurrence that is not finished. */
  open: string | null;
  fired: Fired;
}

interface LedgerParts {
  db: Database;
  sql: ScheduleSql;
  jobs: SqliteJobs;
  events: SqliteEvents;
  terms: Terms;
}

export class Ledger {
  readonly #env: Env;
  readonly #sql: ScheduleSql;
  readonly #jobs: SqliteJobs;
  readonly #events: SqliteEvents;
  readonly #terms: Terms;
  readonly #savepoint: Statement;
  readonly #rollbackTo: Statement;
  readonly #release: Statement;
  /** When the next run that is made up for may start. */
  #catchupAt: Millis = 0;
  /** The clock when it was asked last: one that went back must not hold up anybody. */
  #pacedAt: Millis = 0;

  constructor(env: Env, { db, sql, jobs, events, terms }: LedgerParts) {
    this.#env = env;
    this.#sql = sql;
    this.#jobs = jobs;
    this.#events = events;
    this.#terms = terms;
    this.#savepoint = db.prepare("SAVEPOINT schedule");
    this.#rollbackTo = db.prepare("ROLLBACK TO schedule");
    this.#release = db.prepare("RELEASE schedule");
    jobs.onRunEnd((end) => this.#runEnded(end));
  }

  /**
   * Accounts for up to `limit` schedules that are due on this node, fewer when that takes
   * long. One that cannot be accounted for throws, unless `careful`: then it holds up nobody.
   */
  fire(nodeId: string, { limit, careful }: { limit: number; careful: boolean }): Fired {
    const now = this.#env.now();
    const until = this.#env.mono() + FIRE_MS_MAX;
    const fired = nothingFired();
    for (const node of ["", nodeId]) {
      const rows = this.#sql.due.all({ node, now, limit: limit - fired.settled });
      for (const row of rows) {
        if (careful) this.#settleAlone(row, now, fired);
        else this.#settle(row, now, fired);
        if (this.#env.mono() >= until) break;
      }
    }
    const dueTimes = ["", nodeId].flatMap((node) => this.#sql.nextDue.get({ node })?.due_at ?? []);
    fired.nextDueAt = dueTimes.length > 0 ? Math.min(...dueTimes) : null;
    return fired;
  }

  /** Accounts for what is due of one schedule, before something about it changes. */
  account(id: string, now: Millis): void {
    const fired = nothingFired();
    for (const row of this.#sql.cursors.all({ id })) {
      const isDue = row.due_at !== null && row.due_at <= now;
      const inBlackout =
        row.state === "active" && isCurrent(row) && readPolicy(row.policy).blackouts.length > 0;
      if (isDue || inBlackout) this.#settleAlone(row, now, fired, true);
    }
  }

  /**
   * Records the occurrences since the cursor that did not start, because the schedule
   * is paused, or because it was changed or deleted before their jitter was over or
   * their turn came.
   */
  recordQuiet(id: string, node: string, outcome: "paused" | "deleted", until: Millis): void {
    const row = this.#cursor(id, node);
    if (!row) return;
    const range = quietOf(row, until, outcome);
    if (range) this.#write(row, range, { now: this.#env.now(), jobId: null, relatedJobId: null });
    this.#move(row, { accountedUntil: Math.max(until, row.accounted_until), next: null, dueAt: null });
  }

  /**
   * Nothing of this schedule is due on a node until it is restarted there; a pause with an
   * end is due at that end, but for a cursor that is left behind for good.
   */
  stop(id: string, node: string, outcome: "paused" | "deleted"): void {
    const row = this.#cursor(id, node);
    if (!row) return;
    const now = this.#env.now();
    const note = row.pause ? pauseNote(row.pause) : "";
    this.#sql.closeAll.run({ id, node, outcome, now, note });
    const dueAt = isCurrent(row) ? pausedUntil(row) : null;
    this.#move(row, { accountedUntil: row.accounted_until, next: null, dueAt });
    if (outcome === "deleted") this.#terms.begin(id, node, { since: row.accounted_until, revision: null });
  }

  /** Puts the cursor at `now`: the next occurrence is the first one after it. A schedule without one is finished. */
  restart(id: string, node: string, now: Millis): void {
    const row = this.#sql.get.get({ id });
    assert(row, `schedule ${id} exists`);
    const policy = readPolicy(row.policy);
    const every = recurrenceOf(row);
    // A clock that went back must not make an accounted occurrence due again.
    const accountedUntil = Math.max(now, this.#cursor(id, node)?.accounted_until ?? now);
    const runsLeft = (policy.runsMax ?? Number.POSITIVE_INFINITY) - row.run_count;
    const turns = { waiting: this.#waiting(id, node), runsLeft };
    const { next, dueAt, finished } =
      row.state === "active"
        ? look({ scheduleId: id, recurrence: every, policy }, { turns, accountedUntil })
        : { next: null, dueAt: pausedUntil(row), finished: false };
    this.#sql.insertCursor.run({ id, node, accountedUntil, next, dueAt });
    const planned = !finished && row.state !== "deleted";
    this.#terms.begin(id, node, { since: accountedUntil, revision: planned ? row.revision : null });
    if (finished) this.#finish(id, now);
  }

  #waiting(id: string, node: string): Waiting[] {
    const rows = this.#sql.waiting.all({ id, node });
    return rows.map(({ occurrence, catchup }) => ({ occurrence, catchup: catchup === 1 }));
  }

  #cursor(id: string, node: string): ScheduleCursorRow | undefined {
    return this.#sql.cursors.all({ id }).find((cursor) => cursor.node === node);
  }

  /** Accounts for one schedule. */
  #settle(row: ScheduleCursorRow, now: Millis, fired: Fired, closing = false): void {
    const awake = row.state === "paused" ? this.#wake(row) : row;
    const open = this.#sql.openJob.get({ id: row.id, node: row.node })?.id ?? null;
    this.#apply({ row: awake, now, open, fired }, this.#decide(awake, now, open !== null, closing));
    fired.settled += 1;
  }

  /** The same in a savepoint of its own: one that cannot be accounted for must not hold up the others. */
  #settleAlone(row: ScheduleCursorRow, now: Millis, fired: Fired, closing = false): void {
    const before = { jobs: fired.jobs.length, stopped: fired.stopped.length };
    this.#savepoint.run();
    try {
      this.#settle(row, now, fired, closing);
    } catch (error) {
      if (!isOurMistake(error)) throw error;
      this.#rollbackTo.run();
      fired.jobs.length = before.jobs;
      fired.stopped.length = before.stopped;
      this.#sql.postpone.run({ id: row.id, node: row.node, dueAt: now + BROKEN_PAUSE_MS });
      fired.broken.push({ scheduleId: row.id, message: messageOf(error) });
      this.#sayBroken(row, messageOf(error));
    }
    this.#release.run();
  }

  /** It is tried again every minute, and said once for each definition and reason. */
  #sayBroken({ id, name, revision }: ScheduleCursorRow, reason: string): void {
    const said = this.#events.last("schedule.broken", id)?.data;
    if (said?.["revision"] === revision && said["reason"] === reason) return;
    this.#events.addNow({
      kind: "schedule.broken",
      subject: id,
      message: `Schedule ${name || id} could not be evaluated and does not fire until it can: ${reason}`,
      data: { revision, reason },
    });
  }

  /** A pause has reached its end: from that moment on the schedule is active, whenever we come to it. */
  #wake(row: ScheduleCursorRow): ScheduleCursorRow {
    const until = pausedUntil(row);
    assert(until !== null, `paused schedule ${row.id} is due because its pause has an end`);
    this.recordQuiet(row.id, row.node, "paused", until);
    this.#sql.setState.run({ id: row.id, state: "active", pause: null, deletedBy: null, now: until });
    this.restart(row.id, row.node, until);
    const awake = this.#cursor(row.id, row.node);
    assert(awake, `schedule ${row.id} has its cursor`);
    return awake;
  }

  #decide(row: ScheduleCursorRow, now: Millis, open: boolean, closing: boolean): Decision {
    return decide({
      scheduleId: row.id,
      recurrence: recurrenceOf(row),
      policy: readPolicy(row.policy),
      accountedUntil: row.accounted_until,
      now,
      open,
      waiting: this.#waiting(row.id, row.node),
      runCount: row.run_count,
      closing,
    });
  }

  #apply(account: Account, decision: Decision): void {
    const { row, now, open } = account;
    this.#move(row, decision);
    const wasRunning = open !== null && this.#stopOther(account, open, decision.stop);
    const startAt = decision.stop === "terminate" && wasRunning ? now + TERMINATE_GRACE_MS : undefined;
    const starting = [...decision.closings, ...decision.rows].filter(({ fires }) => fires);
    const jobs = new Map(
      starting.map((run, index) => {
        const counted = { ...run, runCount: row.run_count + index + 1 };
        return [run.occurrence, this.#insertJob(account, counted, startAt)];
      }),
    );
    for (const closing of decision.closings)
      this.#close(row, closing, jobs.get(closing.occurrence) ?? null, now);
    this.#writeRows(account, decision.rows, jobs);
    const lastJobId = [...jobs.values()].at(-1);
    if (lastJobId) this.#sql.ran.run({ id: row.id, count: jobs.size, at: now, jobId: lastJobId });
    // What was asked to end and had not begun has ended already: nobody else will look.
    if (decision.stop === "cancel" && !wasRunning) this.#sql.poke.run({ id: row.id, node: row.node, now });
    if (!decision.finished) return;
    this.#terms.begin(row.id, row.node, { since: decision.plannedUntil, revision: null });
    this.#finish(row.id, now);
  }

  #writeRows(
    { row, now, open }: Account,
    rows: readonly DecidedRow[],
    jobs: ReadonlyMap<Millis, string>,
  ): void {
    let previous = open;
    for (const decided of rows) {
      const jobId = jobs.get(decided.occurrence) ?? null;
      const related = decided.into === null ? previous : (jobs.get(decided.into) ?? null);
      const isRelated = ["skipped-overlap", "coalesced", "pending"].includes(decided.outcome);
      this.#write(row, decided, {
        now,
        jobId: decided.fires ? jobId : null,
        relatedJobId: isRelated ? related : null,
      });
      previous = jobId ?? previous;
    }
  }

  /** Ends the run that is in the way. True when it was running, so that its plugin needs a moment. */
  #stopOther({ row, fired }: Account, open: string, stop: Stop): boolean {
    if (stop === null) return false;
    const by = `the next occurrence of schedule ${row.name || row.id}`;
    const running =
      stop === "terminate" ? this.#jobs.terminateNow(open, by) : this.#jobs.cancelNow(open, by) === "running";
    if (running) fired.stopped.push(open);
    return running;
  }

  #insertJob({ row, now, fired }: Account, run: Run, startAt?: Millis): string {
    const runAt = startAt ?? (run.catchup ? this.#paced(now) : undefined);
    const job = { ...jobOf(row, run, newId(this.#env, "JB")), runAt };
    const { created } = this.#jobs.insert(job);
    assert(created, `occurrence ${run.occurrence} of ${row.id} has no job yet`);
    const lane = job.plugin ? `${job.plugin}/${job.handler}` : job.handler;
    const { priority = 0 } = job;
    fired.jobs.push({ id: job.id, lane, priority, scheduleId: row.id, occurrence: run.occurrence });
    return job.id;
  }

  /** When the next run that is made up for may start: one after the other, some milliseconds apart. */
  #paced(now: Millis): Millis {
    if (now < this.#pacedAt) this.#catchupAt = now;
    this.#pacedAt = now;
    const at = Math.max(now, this.#catchupAt);
    this.#catchupAt = at + CATCHUP_SPACING_MS;
    return at;
  }

  #close(
    row: ScheduleCursorRow,
    { occurrence, outcome, fires }: Closing,
    jobId: string | null,
    now: Millis,
  ): void {
    const { changes } = this.#sql.close.run({
      id: row.id,
      node: row.node,
      occurrence,
      outcome,
      jobId: fires ? jobId : null,
      relatedJobId: null,
      now,
    });
    assert(changes === 1, `occurrence ${occurrence} of ${row.id} was waiting`);
  }

  #write(
    row: ScheduleCursorRow,
    decided: DecidedRow,
    { now, jobId, relatedJobId }: { now: Millis; jobId: string | null; relatedJobId: string | null },
  ): void {
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

  /** A run has ended: who waits for it is looked at, and failures in a row are counted. */
  #runEnded({ scheduleId: id, jobId, node, state }: RunEnd): void {
    const now = this.#env.now();
    this.#sql.poke.run({ id, node, now });
    if (state === "completed") this.#sql.forgetFailures.run({ id });
    if (state !== "failed") return;
    const failures = this.#sql.countFailure.get({ id })?.failures ?? 0;
    const row = this.#sql.get.get({ id });
    const limit = row && readPolicy(row.policy).pauseAfterFailures;
    if (!row || row.state !== "active" || !limit || failures < limit) return;
    const note = failures === 1 ? "its run failed" : `${failures} runs in a row failed`;
    const pause: Pause = { note, by: "host", at: now, until: null };
    this.#sql.setState.run({ id, state: "paused", pause: JSON.stringify(pause), deletedBy: null, now });
    for (const cursor of this.#sql.cursors.all({ id })) this.stop(id, cursor.node, "paused");
    this.#events.addNow({
      kind: "schedule.paused-by-failures",
      subject: id,
      message: `Schedule ${row.name || id} is paused: ${note}.`,
      data: { failures, jobId },
    });
  }
}

function nothingFired(): Fired {
  return { settled: 0, jobs: [], stopped: [], broken: [], nextDueAt: null };
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

/** When the pause of a schedule ends by itself; null when it does not, or there is none. */
function pausedUntil({ state, pause }: Pick<ScheduleCursorRow, "state" | "pause">): Millis | null {
  return state === "paused" && pause !== null ? (JSON.parse(pause) as Pause).until : null;
}

/** Nobody can say what the occurrences of a plan were that cannot be evaluated; it must be possible to change it all the same. */
function quietOf(row: ScheduleCursorRow, until: Millis, outcome: OccurrenceOutcome): DecidedRow | null {
  try {
    const span = { after: row.accounted_until, until, outcome };
    return quietRange(recurrenceOf(row), readPolicy(row.policy), span);
  } catch {
    return null;
  }
}

/** A schedule that became node-local has left its common cursor behind, and the other way round. */
function isCurrent({ locking, node }: ScheduleCursorRow): boolean {
  return (locking === "node-local") === (node !== "");
}

/** What the ledger says beside the outcome: the note of a pause or a blackout. */
function noteOf(row: ScheduleCursorRow, { outcome, occurrence }: DecidedRow): string {
  if (outcome === "paused" && row.pause) return pauseNote(row.pause);
  if (outcome !== "blackout") return "";
  const { blackouts } = readPolicy(row.policy);
  return blackouts.find(({ from, to }) => from <= occurrence && occurrence < to)?.note ?? "";
}

/** Why, and who says so. The pause itself is gone once its occurrences are recorded. */
function pauseNote(pause: string): string {
  const { note, by } = JSON.parse(pause) as Pause;
  return note === "" ? `by ${by}` : `${note} (by ${by})`;
}

/** The job of an occurrence: the schedule's target with the schedule's payload and policies. */
function jobOf(
  row: ScheduleCursorRow,
  { occurrence, runCount, catchup }: Run,
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
    runCount,
    declaredId: row.declared_id,
    node: row.node,
    catchup,
    expiresAt: occurrence + policy.jitterMs + policy.latenessMaxMs,
  };
}
