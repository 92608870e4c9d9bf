/**
 * Ledger: accounts for occurrences. Each step runs inside the caller's transaction
 * and moves a cursor together with the ledger rows and jobs that justify it.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { assert, messageOf } from "../../base/fault.ts";
import { decide, type Decision, type DecideRequest, look, quietRange } from "../../schedule/decide.ts";
import { asksForLocks, type LocksBy } from "../../schedule/lock.ts";
import { type Stop, TERMINATE_GRACE_MS, type Waiting } from "../../schedule/overlap.ts";
import { type Recurrence, recurrence } from "../../schedule/recurrence.ts";
import type { DecidedRow } from "../../schedule/rows.ts";
import type { OccurrenceOutcome, Pause, Policy } from "../../schedule/schedule.ts";
import type { LockVerdict } from "../locks.ts";
import type { Fired } from "../schedules.ts";
import { CatchUp } from "./catch-up.ts";
import { type Account, Entries, jobOf, pauseNote } from "./entries.ts";
import { isOurMistake } from "./alone.ts";
import type { SqliteEvents } from "./events.ts";
import type { RunEnd, SqliteJobs } from "./jobs.ts";
import type { MendingRow } from "./mending-sql.ts";
import type { SqliteObjectives } from "./objectives.ts";
import { readPolicy, readSpec, type ScheduleCursorRow } from "./schedule-row.ts";
import type { ScheduleSql } from "./schedule-sql.ts";
import type { Terms } from "./terms.ts";

/** A schedule that cannot be evaluated is looked at again after this long: it is our bug, and must not spin. */
const BROKEN_PAUSE_MS = 60_000;

/** After this long a step ends and others have their turn. */
const FIRE_MS_MAX: Millis = 15;

interface LedgerParts {
  locksBy: LocksBy;
  db: Database;
  sql: ScheduleSql;
  jobs: SqliteJobs;
  events: SqliteEvents;
  objectives: SqliteObjectives;
  terms: Terms;
}

/** Why a schedule is looked at, where that is not its time. */
type Because = Pick<DecideRequest, "closing" | "granted">;

export class Ledger {
  readonly #env: Env;
  readonly #sql: ScheduleSql;
  readonly #jobs: SqliteJobs;
  readonly #events: SqliteEvents;
  readonly #entries: Entries;
  readonly #objectives: SqliteObjectives;
  readonly #terms: Terms;
  readonly #locksBy: LocksBy;
  /** Jobs that a change of their schedule has ended, as far as it was committed; whoever fires next is told. */
  readonly #untold = new Set<string>();
  readonly #savepoint: Statement;
  readonly #rollbackTo: Statement;
  readonly #release: Statement;

  constructor(env: Env, { db, sql, jobs, events, objectives, terms, locksBy }: LedgerParts) {
    this.#env = env;
    this.#sql = sql;
    this.#jobs = jobs;
    this.#events = events;
    this.#entries = new Entries(env, { sql, jobs, objectives, catchUp: new CatchUp(db) });
    this.#objectives = objectives;
    this.#terms = terms;
    this.#locksBy = locksBy;
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
    for (const row of this.#due(nodeId, now, limit)) {
      if (careful) this.#settleAlone(row, now, fired);
      else this.#settle(row, now, fired);
      if (this.#env.mono() >= until) break;
    }
    fired.nextDueAt = this.#nextDueAt(["", nodeId]);
    for (const jobId of this.#untold) {
      if (this.#jobs.isStopped(jobId)) fired.stopped.push(jobId);
      else this.#untold.delete(jobId); // The change that ended it was undone.
    }
    return fired;
  }

  #nextDueAt(nodes: readonly string[]): Millis | null {
    const times = nodes.flatMap((node) => this.#sql.nextDue.get({ node })?.due_at ?? []);
    return times.length > 0 ? Math.min(...times) : null;
  }

  /** Common schedules and those of this node in turns, so that neither waits for a crowd of the other; first who is due longest. */
  #due(nodeId: string, now: Millis, limit: number): ScheduleCursorRow[] {
    const common = this.#sql.due.all({ node: "", now, limit });
    const own = this.#sql.due.all({ node: nodeId, now, limit });
    if (own.length === 0 || common.length === 0) return [...common, ...own];
    const ownFirst = (own[0]?.due_at ?? now) < (common[0]?.due_at ?? now);
    const [first, second] = ownFirst ? [own, common] : [common, own];
    const turns = Math.max(first.length, second.length);
    const inTurn = Array.from({ length: turns }, (_, turn) => [first[turn], second[turn]]).flat();
    return inTurn.filter((row) => row !== undefined).slice(0, limit);
  }

  /**
   * Takes the answers for occurrences that wait for their locks: one that another node has
   * is over, one that is ours meets the open run. Those that came to an end meanwhile stay so.
   */
  answered(verdicts: readonly LockVerdict[], careful: boolean): Fired {
    const now = this.#env.now();
    const fired = nothingFired();
    for (const [of, ...others] of bySchedule(verdicts)) {
      const row = this.#cursor(of.scheduleId, of.node);
      const asking = this.#waiting(of.scheduleId, of.node).filter(({ asks }) => asks);
      if (!row || row.state !== "active" || asking.length === 0) continue;
      const granted = new Set<Millis>();
      for (const { occurrence, otherNode } of [of, ...others]) {
        if (otherNode === null) granted.add(occurrence);
        else if (asking.some((one) => one.occurrence === occurrence))
          this.#entries.close(
            row,
            { occurrence, outcome: "other-node", fires: false, asks: false, note: otherNode },
            { now, jobId: null, relatedJobId: null },
          );
      }
      if (careful) this.#settleAlone(row, now, fired, { granted });
      else this.#settle(row, now, fired, { granted });
    }
    fired.nextDueAt = this.#nextDueAt([...new Set(verdicts.map(({ node }) => node))]);
    return fired;
  }

  /** Accounts for what is due of one schedule, before something about it changes. */
  account(id: string, now: Millis): void {
    const fired = nothingFired();
    for (const row of this.#sql.cursors.all({ id })) {
      const isDue = row.due_at !== null && row.due_at <= now;
      const inBlackout =
        row.state === "active" && isCurrent(row) && readPolicy(row.policy).blackouts.length > 0;
      if (isDue || inBlackout) this.#settleAlone(row, now, fired, { closing: true });
    }
    for (const jobId of fired.stopped) this.#untold.add(jobId);
  }

  /** The holders of these jobs are told now. */
  told(jobIds: readonly string[]): void {
    for (const jobId of jobIds) this.#untold.delete(jobId);
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
    if (range) this.#entries.write(row, range, { now: this.#env.now(), jobId: null, relatedJobId: null });
    this.#entries.move(row, {
      accountedUntil: Math.max(until, row.accounted_until),
      next: null,
      dueAt: null,
    });
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
    this.#objectives.forgetWaiting(id, node);
    this.#sql.closeAll.run({ id, node, outcome, now, note });
    const dueAt = isCurrent(row) ? pausedUntil(row) : null;
    this.#entries.move(row, { accountedUntil: row.accounted_until, next: null, dueAt });
    if (outcome === "deleted") this.#terms.begin(id, node, { since: row.accounted_until, revision: null });
  }

  /** Puts the cursor at `now`: the next occurrence is the first one after it. A schedule without one is finished. */
  restart(id: string, node: string, now: Millis): void {
    const row = this.#sql.get.get({ id });
    assert(row, `schedule ${id} exists`);
    const policy = readPolicy(row.policy);
    const every = recurrenceOf(row);
    // A clock that went back must not make an accounted occurrence due again, whichever cursor it was of.
    const before = this.#sql.cursors
      .all({ id })
      .filter((cursor) => cursor.node === node || !isCurrent(cursor));
    const accountedUntil = Math.max(now, ...before.map((cursor) => cursor.accounted_until));
    const runsLeft = (policy.runsMax ?? Number.POSITIVE_INFINITY) - row.run_count;
    const waiting = this.#waiting(id, node);
    const turns = { waiting, runsLeft };
    const { next, dueAt, finished } =
      row.state === "active"
        ? look({ scheduleId: id, recurrence: every, policy }, { turns, accountedUntil, now })
        : { next: null, dueAt: pausedUntil(row), finished: false };
    // Who waits may wait for nothing any more: what made it due is not known here.
    const lookAt = waiting.length > 0 && dueAt !== null ? now : dueAt;
    this.#sql.insertCursor.run({ id, node, accountedUntil, next, dueAt: lookAt, priority: policy.priority });
    const planned = !finished && row.state !== "deleted";
    this.#terms.begin(id, node, { since: accountedUntil, revision: planned ? row.revision : null });
    if (finished) this.#finish(id, now);
  }

  /** Makes the job of an occurrence again that is gone from the database. False when another run is in its way. */
  makeAgain(gone: MendingRow): boolean {
    const { schedule_id: id, node, occurrence, run_count, catchup } = gone;
    const row = this.#cursor(id, node);
    if (!row) return false;
    if (row.open_job !== null && readPolicy(row.policy).overlap !== "allow") return false;
    const run = { occurrence, runCount: run_count ?? row.run_count, catchup: catchup === 1 };
    return this.#jobs.insert(jobOf(row, run, gone.job_id)).created;
  }

  #waiting(id: string, node: string): Waiting[] {
    const rows = this.#sql.waiting.all({ id, node });
    return rows.map(({ occurrence, catchup, asks }) => ({
      occurrence,
      catchup: catchup === 1,
      asks: asks === 1,
    }));
  }

  #cursor(id: string, node: string): ScheduleCursorRow | undefined {
    return this.#sql.cursors.all({ id }).find((cursor) => cursor.node === node);
  }

  /** Accounts for one schedule. */
  #settle(row: ScheduleCursorRow, now: Millis, fired: Fired, because: Because = {}): void {
    const awake = row.state === "paused" ? this.#wake(row) : row;
    this.#apply({ row: awake, now, open: awake.open_job, fired }, this.#decide(awake, now, because));
    fired.settled += 1;
  }

  /** The same in a savepoint of its own: one that cannot be accounted for must not hold up the others. */
  #settleAlone(row: ScheduleCursorRow, now: Millis, fired: Fired, because: Because = {}): void {
    const before = { jobs: fired.jobs.length, stopped: fired.stopped.length };
    this.#savepoint.run();
    try {
      this.#settle(row, now, fired, because);
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

  #decide(row: ScheduleCursorRow, now: Millis, because: Because): Decision {
    return decide({
      scheduleId: row.id,
      recurrence: recurrenceOf(row),
      policy: readPolicy(row.policy),
      accountedUntil: row.accounted_until,
      now,
      open: row.open_job !== null,
      waiting: row.awaited === 1 ? this.#waiting(row.id, row.node) : [],
      runCount: row.run_count,
      asks: asksForLocks(this.#locksBy, row),
      ...because,
    });
  }

  #apply(account: Account, decision: Decision): void {
    const { row, now, open } = account;
    // The end of a run makes due who waits for it: the cursor, which knows of all of them, moves after that.
    const wasRunning = open !== null && this.#stopOther(account, open, decision.stop);
    this.#entries.move(row, decision);
    const startAt = decision.stop === "terminate" && wasRunning ? now + TERMINATE_GRACE_MS : undefined;
    const starting = [...decision.closings, ...decision.rows].filter(({ fires }) => fires);
    const jobs = new Map(
      starting.map((run, index) => {
        const counted = { ...run, runCount: row.run_count + index + 1 };
        return [run.occurrence, this.#entries.insertJob(account, counted, startAt)];
      }),
    );
    for (const closing of decision.closings)
      this.#entries.close(row, closing, {
        now,
        jobId: jobs.get(closing.occurrence) ?? null,
        relatedJobId: open ?? [...jobs.values()][0] ?? null,
      });
    for (const waiting of decision.lined) this.#entries.lineUp(account, waiting);
    this.#entries.writeRows(account, decision.rows, jobs);
    account.fired.asked += decision.rows.filter(({ asks }) => asks).length;
    const lastJobId = [...jobs.values()].at(-1);
    if (lastJobId) this.#sql.ran.run({ id: row.id, count: jobs.size, at: now, jobId: lastJobId });
    // What was asked to end and had not begun has ended already: nobody else will look.
    if (decision.stop === "cancel" && !wasRunning) this.#sql.poke.run({ id: row.id, node: row.node, now });
    if (!decision.finished) return;
    this.#terms.begin(row.id, row.node, { since: decision.plannedUntil, revision: null });
    this.#finish(row.id, now);
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

  #finish(id: string, now: Millis): void {
    this.#sql.setState.run({ id, state: "finished", pause: null, deletedBy: null, now });
  }

  /** A run has ended: who waits for it is looked at, and failures in a row are counted. */
  #runEnded({ scheduleId: id, jobId, node, state, failures: before, awaited, watched }: RunEnd): void {
    const now = this.#env.now();
    if (awaited) this.#sql.poke.run({ id, node, now });
    if (watched) this.#objectives.ended({ scheduleId: id, node, jobId });
    if (state === "completed" && before > 0) this.#sql.forgetFailures.run({ id });
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

/** Answers for the same schedule together, so that it is settled once. */
function bySchedule(verdicts: readonly LockVerdict[]): [LockVerdict, ...LockVerdict[]][] {
  const groups = new Map<string, [LockVerdict, ...LockVerdict[]]>();
  for (const verdict of verdicts) {
    const key = `${verdict.scheduleId} ${verdict.node}`;
    const group = groups.get(key);
    if (group) group.push(verdict);
    else groups.set(key, [verdict]);
  }
  return [...groups.values()];
}

function nothingFired(): Fired {
  return { settled: 0, jobs: [], delayed: false, stopped: [], broken: [], asked: 0, nextDueAt: null };
}

function recurrenceOf({
  spec,
  timezone,
  anchor,
  policy,
}: Pick<ScheduleCursorRow, "spec" | "timezone" | "anchor" | "policy">): Recurrence {
  const { dstGap, dstFold }: Policy = readPolicy(policy);
  return recurrence({ spec: readSpec(spec), timezone, anchor, dstGap, dstFold });
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
