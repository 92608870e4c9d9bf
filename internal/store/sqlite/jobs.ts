/** Jobs in SQLite. Every state change is one guarded UPDATE. */
import type { Database } from "bun:sqlite";
import type { Exceeded, Metered } from "../../access/quota.ts";
import { type Env, type Millis, turn } from "../../base/env.ts";
import { assert, messageOf } from "../../base/fault.ts";
import {
  type HeldJob,
  type Job,
  JOB_INTERRUPTED_MAX,
  type JobError,
  type JobPause,
  type JobProgress,
  type JobState,
  type NewJob,
} from "../../job/job.ts";
import { lateAnswer, type Settlement } from "../../job/outcome.ts";
import type { JobPruneRequest, Pruned } from "../prune.ts";
import type {
  Cancelled,
  Claimer,
  Enqueued,
  JobFilter,
  JobStore,
  JobUse,
  LaneRequest,
  Moved,
  ProgressUpdate,
  Promoted,
  QueuedLane,
  WhoseJob,
} from "../jobs.ts";
import type { Page, PageRequest } from "../page.ts";
import { Alone } from "./alone.ts";
import { SqliteClaims } from "./claims.ts";
import type { SqliteEvents } from "./events.ts";
import { SqliteFlows } from "./flows.ts";
import type { GroupCommit } from "./group.ts";
import { isPlain, JobCompletions } from "./job-completions.ts";
import { JobInserts } from "./job-inserts.ts";
import { JobQuota } from "./job-quota.ts";
import { JobLists } from "./job-lists.ts";
import { JobPruning } from "./job-pruning.ts";
import type { SqliteLogs } from "./logs.ts";
import { readJob } from "./job-row.ts";
import type { SqliteLimits } from "./limits.ts";
import { type EndedRow, JobSql, type PromotedRow, type RunEndRow, type Values } from "./job-sql.ts";

const FIND_ROWS = 50_000; // Some milliseconds; then others have their turn.

/** The end of a run of a schedule, and whom it concerns. */
export interface RunEnd {
  scheduleId: string;
  jobId: string;
  node: string;
  state: JobState;
  /** From the moment it was made, waiting and retries included. */
  tookMs: Millis;
  /** Failures of the schedule in a row before this run. */
  failures: number;
  /** True when the schedule is known to be too slow for its interval. */
  slow: boolean;
  /** True when an occurrence waits for the end of this run. */
  awaited: boolean;
  /** True when the run must meet an objective. */
  watched: boolean;
}

/** What jobs are kept by and with. */
export interface SqliteJobsParts {
  db: Database;
  group: GroupCommit;
  events: SqliteEvents;
  limits: SqliteLimits;
  logs: SqliteLogs;
}

export class SqliteJobs implements JobStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #sql: JobSql;
  readonly #events: SqliteEvents;
  readonly #alone: Alone;
  readonly #limits: SqliteLimits;
  readonly #claims: SqliteClaims;
  readonly #inserts: JobInserts;
  readonly #completions: JobCompletions;
  readonly #quota: JobQuota;
  readonly #lists: JobLists;
  readonly #pruning: JobPruning;
  readonly flows: SqliteFlows;
  /** True in the second try of a group. */
  #careful = false;
  readonly #onRunEnd: ((end: RunEnd) => void)[] = [];
  #onBackfillEnd: (scheduleId: string) => void = () => {};

  constructor(env: Env, { db, group, events, limits, logs }: SqliteJobsParts) {
    this.#env = env;
    this.#limits = limits;
    this.#group = group;
    this.#sql = new JobSql(db);
    this.#events = events;
    this.#alone = new Alone(db);
    const onUnreadable = (id: string, reason: string) => this.#failUnreadable(id, reason);
    this.#claims = new SqliteClaims(env, { sql: this.#sql, group, limits, onUnreadable });
    this.flows = new SqliteFlows({ db, group, jobs: this });
    this.#completions = new JobCompletions(db);
    this.#inserts = new JobInserts({
      env,
      db,
      onKeyed: (job, key) => this.#join(job, key),
      onRelated: (job) => this.flows.join(job),
      onQueued: (lane) => this.queued(lane),
    });
    this.#quota = new JobQuota(env, db);
    this.#lists = new JobLists(env, db);
    this.#pruning = new JobPruning(env, { db, group, logs });
  }

  enqueue(jobs: readonly NewJob[]): Promise<Enqueued[]> {
    return this.#group.write(() => this.#inserts.many(jobs));
  }

  enqueueWithin(metered: Metered, jobs: readonly NewJob[]): Promise<Enqueued[] | { exceeded: Exceeded }> {
    return this.#group.write(() => this.#quota.within(metered, jobs, () => this.#inserts.many(jobs)));
  }

  async quotaUse(metered: Omit<Metered, "quota">): Promise<JobUse> {
    return this.#quota.use(metered);
  }

  /** Writes one job inside the running group; the fire verb uses it too. */
  insert(job: NewJob): Enqueued {
    return this.#inserts.one(job);
  }

  /** Writes a job for a plugin, which did not ask for it, inside the running group. False when its queue is full. */
  insertWithin(who: Omit<Metered, "quota">, queueDepth: number, job: NewJob): boolean {
    return this.#quota.fill(who, queueDepth, () => void this.insert(job));
  }

  /** Says that a job of this lane was queued inside the running group, by somebody who moves jobs with words of their own. */
  queued(lane: string): void {
    this.#claims.added(lane);
  }

  #join({ id, tenant = "", handler }: NewJob, key: string): void {
    this.#limits.keys.join(id, { tenant, handler, concurrency_key: key });
  }

  async get(id: string): Promise<Job | null> {
    const row = this.#sql.get.get({ id });
    return row ? readJob(row) : null;
  }

  async whose(id: string): Promise<WhoseJob | null> {
    return this.#sql.whose.get({ id });
  }

  async find(part: string, limit: number): Promise<string[]> {
    const ids: string[] = [];
    for (let after: string | null = ""; after !== null && ids.length < limit;) {
      const row = this.#sql.find.get({ part, after, rows: FIND_ROWS });
      ids.push(...(JSON.parse(row?.found ?? "[]") as string[]));
      after = row?.last ?? null;
      await turn(this.#env);
    }
    return ids.slice(0, limit);
  }

  list(filter: JobFilter, page: PageRequest): Promise<Page<Job>> {
    return this.#lists.page(filter, page);
  }

  claim({ bootId, lanes }: { bootId: string; lanes: readonly LaneRequest[] }): Promise<HeldJob[]> {
    return this.#group.write((careful) => this.#claims.claimNow(bootId, lanes, careful));
  }

  serve(claimer: Claimer | null): void {
    this.#claims.serve(claimer);
  }

  offer(): Promise<void> {
    return this.#claims.offer();
  }

  settle(settlements: readonly Settlement[]): Promise<boolean[]> {
    return this.#write(() => {
      const completed = new Set(this.#careful ? [] : this.#complete(settlements));
      return settlements.map((one) => {
        if (completed.has(one)) return true;
        return (this.#careful ? this.#settleAlone(one) : this.#settleOne(one)) || this.#refuse(one);
      });
    });
  }

  /** Writes those that need no more than that they have completed. Gives the ones that were written. */
  #complete(settlements: readonly Settlement[]): readonly Settlement[] {
    const plain = settlements.filter((one) => isPlain(one) && !this.flows.isFollowedLate(one.id));
    const completed = this.#completions.write(plain, this.#env.now());
    this.#tellEnds(completed.filter(({ scheduleId }) => scheduleId !== null).map(({ seq }) => seq));
    return completed;
  }

  /** Tells whoever follows the runs of schedules that these have ended. */
  #tellEnds(seqs: readonly number[]): void {
    const { rows, statement } = this.#sql.runEnds;
    for (let from = 0; from < seqs.length; from += rows) {
      const some = Array.from({ length: rows }, (_, n) => seqs[from + n] ?? null);
      for (const row of statement.all(...some)) this.#tellEnd(row);
    }
  }

  /** The job is no longer whose answer this is. It does not count, and is not forgotten either. */
  #refuse(settlement: Settlement): false {
    const { id, fence, state, attempt, pluginVersion, pluginDigest } = settlement;
    const message = lateAnswer(settlement);
    const now = this.#env.now();
    const late = { id, fence, state, attempt, pluginVersion, pluginDigest, message, now };
    if (message !== null) this.#sql.refuse.run(late);
    return false;
  }

  /** One that cannot be written must not be tried for ever, and the others with it: it has failed, and that is said. */
  #settleAlone(settlement: Settlement): boolean {
    let kept = false;
    const error = this.#alone.attempt(() => (kept = this.#settleOne(settlement)));
    if (error === null) return kept;
    const reason = messageOf(error);
    const failed = this.#alone.attempt(() => (kept = this.#settleOne(unwritable(settlement, reason))));
    this.#sayBroken(settlement.id, `How job ${settlement.id} ended could not be written: ${reason}.`);
    return failed === null && kept;
  }

  /** It fails without what cannot be read of it, and that is said. */
  #failUnreadable(id: string, reason: string): void {
    const error: JobError = { message: `it could not be read: ${reason}`, kind: "broken", attempt: 0 };
    this.#ended(this.#sql.failUnreadable.all({ id, now: this.#env.now(), error: JSON.stringify(error) }));
    this.#sayBroken(id, `Job ${id} could not be read: ${reason}.`);
  }

  #sayBroken(jobId: string, message: string): void {
    this.#events.addNow({ kind: "job.broken", subject: jobId, message, data: {} });
  }

  /** Runs `work` in the next group; in the second try of one, what fails in it is left alone. */
  #write<T>(work: () => T): Promise<T> {
    return this.#group.write((careful) => {
      this.#careful = careful;
      try {
        return work();
      } finally {
        this.#careful = false;
      }
    });
  }

  #settleOne(settlement: Settlement): boolean {
    const { id, fence, state, attempt, lost, costActual, pluginVersion, pluginDigest } = settlement;
    const now = this.#env.now();
    const error = settlement.error ? JSON.stringify(settlement.error) : null;
    const past = settlement.past ? JSON.stringify(settlement.past) : null;
    const same = { id, fence, state, attempt, lost, error, past, costActual, pluginVersion, pluginDigest };
    if (state === "completed" || state === "failed" || state === "cancelled") {
      return this.#finish(settlement, { ...same, now, result: settlement.result });
    }
    assert(settlement.runAt !== null, `job ${id} goes back with a time`);
    const { snoozed, runAt } = settlement;
    const back = { ...same, suspect: settlement.suspect ? 1 : 0, snoozed, runAt };
    if (this.#sql.giveBack.run(back).changes > 0) {
      if (state === "queued") this.queued(this.#sql.get.get({ id })?.lane ?? "");
      if (settlement.concurrencyKey !== null) this.#limits.keys.back(id);
      if (settlement.budgeted) this.#limits.budgets.gate.ended(id);
      return true;
    }
    // Somebody asked to cancel it while it ran: it does not go back in line.
    return this.#finish(settlement, { ...same, state: "cancelled", now, result: null });
  }

  #finish(settlement: Settlement, end: Values & { id: string }): boolean {
    const { scheduleId, concurrencyKey, budgeted, followed } = settlement;
    if (this.#sql.finish.run(end).changes === 0) return false;
    if (concurrencyKey !== null) this.#limits.keys.leave(end.id);
    if (budgeted) this.#limits.budgets.gate.ended(end.id);
    const concernsOthers = followed || this.flows.isFollowedLate(end.id);
    return (scheduleId === null && !concernsOthers) || this.#finished([{ id: end.id }]);
  }

  /** Jobs have ended that nobody settles. */
  #ended(ended: readonly EndedRow[]): void {
    for (const { id, concurrency_key, budgeted } of ended) {
      if (concurrency_key !== null) this.#limits.keys.leave(id);
      if (budgeted === 1) this.#limits.budgets.gate.ended(id);
    }
    this.#finished(ended);
  }

  /** Tells whoever follows the runs of a schedule. True when a job has ended. */
  #finished(ended: readonly { id: string }[]): boolean {
    for (const { id } of ended) {
      this.flows.ended(id);
      const row = this.#sql.runEnd.get({ id });
      if (row) this.#tellEnd(row); // Otherwise it is no run of a schedule.
    }
    return ended.length > 0;
  }

  #tellEnd(row: RunEndRow): void {
    const id = row.job_id;
    if (row.trigger === "backfill") this.#tell(id, () => this.#onBackfillEnd(row.schedule_id));
    else for (const onRunEnd of this.#onRunEnd) this.#tell(id, () => onRunEnd(readRunEnd(row)));
  }

  /** The end of a job stands, whatever whoever follows it makes of it. */
  #tell(jobId: string, tell: () => void): void {
    if (!this.#careful) return tell();
    const error = this.#alone.attempt(tell);
    if (error !== null)
      this.#sayBroken(jobId, `The end of run ${jobId} could not be accounted for: ${messageOf(error)}.`);
  }

  /** Calls back, inside the transaction, for every job of an occurrence that has ended. */
  onRunEnd(onRunEnd: (end: RunEnd) => void): void {
    this.#onRunEnd.push(onRunEnd);
  }

  /** Calls back, inside the transaction, for every run of a backfill that has ended. */
  onBackfillEnd(onBackfillEnd: (scheduleId: string) => void): void {
    this.#onBackfillEnd = onBackfillEnd;
  }

  progress(updates: readonly ProgressUpdate[]): Promise<void> {
    return this.#group.write(() => {
      for (const { id, fence, progress, checkpoint } of updates) {
        if (progress) this.#sql.progress.run({ id, fence, progress: JSON.stringify(progress) });
        if (checkpoint) this.#sql.checkpoint.run({ id, fence, checkpoint });
      }
    });
  }

  promote(limit: number): Promise<Promoted> {
    return this.#write(() => {
      const now = this.#env.now();
      this.#expire(now, limit);
      const moved = this.#sql.promote.all({ now, limit });
      this.#queueKeyed(moved);
      for (const { lane } of moved) this.queued(lane);
      return { count: moved.length, nextDueAt: this.#sql.nextDue.get()?.run_at ?? null };
    });
  }

  /** Of those that are queued now, some have a key, and wait for a place. */
  #queueKeyed(moved: readonly PromotedRow[]): void {
    for (const { tenant, handler, concurrency_key } of moved)
      if (concurrency_key !== null) this.#limits.keys.advance({ tenant, handler, concurrency_key });
  }

  /** Occurrences whose jobs did not start in time never will. */
  #expire(now: Millis, limit: number): void {
    const error: JobError = { message: "it was not started in time", kind: "expired", attempt: 0 };
    this.#ended(this.#sql.expire.all({ now, limit, error: JSON.stringify(error) }));
  }

  cancel(id: string, by: string): Promise<Cancelled | null> {
    return this.#write(() => {
      const before = this.cancelNow(id, by);
      const row = this.#sql.get.get({ id });
      return before === null || !row ? null : { job: readJob(row), before };
    });
  }

  /** Cancels inside the running group. Returns the state it found; null when there is no such job. */
  cancelNow(id: string, by: string): JobState | null {
    const found = this.#sql.get.get({ id });
    if (!found) return null;
    const error: JobError = { message: `cancelled by ${by}`, kind: "cancelled", attempt: found.attempt };
    this.#ended(this.#sql.cancelWaiting.all({ id, now: this.#env.now(), error: JSON.stringify(error) }));
    if (this.#sql.cancelRunning.run({ id }).changes > 0) this.flows.asked(id);
    return found.state;
  }

  pause(id: string, { by, note }: { by: string; note: string }): Promise<Moved | null> {
    return this.#move(id, () => {
      const pause: JobPause = { by, note, at: this.#env.now() };
      return this.#sql.pause.run({ id, pause: JSON.stringify(pause) }).changes > 0;
    });
  }

  resume(id: string): Promise<Moved | null> {
    return this.#move(id, () => this.#sql.resume.run({ id, now: this.#env.now() }).changes > 0);
  }

  #move(id: string, move: () => boolean): Promise<Moved | null> {
    return this.#group.write(() => {
      const moved = move();
      if (moved) this.#limits.keys.back(id);
      const row = this.#sql.get.get({ id });
      if (moved && row?.state === "queued") this.queued(row.lane);
      return row && { job: readJob(row), moved };
    });
  }

  /** Fails a job that waits for others, inside the running group. */
  failNow(id: string, error: JobError): void {
    const { changes } = this.#sql.failWaiting.run({ id, now: this.#env.now(), error: JSON.stringify(error) });
    if (changes > 0) this.#finished([{ id }]);
  }

  /** True when a job was asked to end, or was ended. */
  isStopped(id: string): boolean {
    const row = this.#sql.get.get({ id });
    return row !== null && (row.cancel_requested === 1 || row.state === "cancelled");
  }

  /** Ends a job inside the running group, whatever it is doing: its holder is fenced off. True when it was running. */
  terminateNow(id: string, by: string): boolean {
    const found = this.#sql.get.get({ id });
    const error: JobError = {
      message: `terminated by ${by}`,
      kind: "cancelled",
      attempt: found?.attempt ?? 0,
    };
    this.#ended(this.#sql.terminate.all({ id, now: this.#env.now(), error: JSON.stringify(error) }));
    return found?.state === "running";
  }

  /** Differs from Postgres: no leases are looked at. The host's lock says that every other boot is dead. */
  recover(bootId: string): Promise<string[]> {
    return this.#write(() => {
      const now = this.#env.now();
      const error = (message: string) =>
        JSON.stringify({ message, kind: "lost", attempt: 0 } satisfies JobError);
      const ended = this.#sql.recoverCancelled.all({
        bootId,
        now,
        error: error("cancelled while its host went down"),
      });
      const hopeless = this.#sql.recoverHopeless.all({
        bootId,
        now,
        interruptedMax: JOB_INTERRUPTED_MAX,
        error: error(`its host went down ${JOB_INTERRUPTED_MAX} times while it ran`),
      });
      this.#ended([...ended, ...hopeless]);
      const message = "its host went down while it ran";
      const rows = this.#sql.recover.all({ bootId, now, message });
      for (const { id, budgeted } of rows) if (budgeted === 1) this.#limits.budgets.gate.ended(id);
      for (const { lane } of rows) this.queued(lane);
      return rows.map(({ id }) => id);
    });
  }

  annotate(
    id: string,
    { progress, costActual }: { progress?: JobProgress; costActual?: number },
  ): Promise<boolean> {
    return this.#group.write(() => {
      const change = {
        id,
        progress: progress ? JSON.stringify(progress) : null,
        costActual: costActual ?? null,
      };
      const kept = this.#sql.annotate.run(change).changes > 0;
      if (kept && costActual !== undefined) this.#limits.budgets.gate.annotated(id, costActual);
      return kept;
    });
  }

  counts(): Promise<Record<JobState, number>> {
    return this.#lists.counts();
  }

  queuedLanes(): Promise<QueuedLane[]> {
    return this.#lists.queuedLanes();
  }

  async lanesQueued(max: number): Promise<string[] | null> {
    return this.#lists.lanesQueued(max);
  }

  prune(request: JobPruneRequest): Promise<Pruned> {
    return this.#pruning.step(request);
  }
}

function readRunEnd(row: RunEndRow): RunEnd {
  const { schedule_id: scheduleId, job_id: jobId, node, state, took: tookMs, failures } = row;
  const [slow, awaited, watched] = [row.slow === 1, row.awaited === 1, row.watched === 1];
  return { scheduleId, jobId, node, state, tookMs, failures, slow, awaited, watched };
}

/** The end of a job whose own end cannot be written: without what its plugin made of it. */
function unwritable(
  { seq, id, fence, startedAt, attempt, lost, scheduleId, concurrencyKey, budgeted, followed }: Settlement,
  reason: string,
): Settlement {
  return {
    seq,
    id,
    fence,
    startedAt,
    attempt: Math.max(0, Math.trunc(attempt) || 0),
    lost: Math.max(0, Math.trunc(lost) || 0),
    scheduleId,
    concurrencyKey,
    budgeted,
    followed,
    state: "failed",
    suspect: false,
    runAt: null,
    result: null,
    error: { message: `how it ended could not be written: ${reason}`, kind: "broken", attempt: 0 },
    snoozed: 0,
    past: null,
    costActual: 0,
    pluginVersion: null,
    pluginDigest: null,
  };
}
