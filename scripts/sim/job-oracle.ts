/**
 * Job oracle: knows from the journal how every job stands, from the plugins what
 * they did, from the client what it was promised, and compares. It shares no code
 * with the queue but the table of allowed moves.
 */
import type { Millis } from "../../internal/base/env.ts";
import {
  isFinished,
  JOB_INTERRUPTED_MAX,
  JOB_LOST_MAX,
  JOB_MOVES,
  type NewJob,
} from "../../internal/job/job.ts";
import type { Outcome } from "../../internal/job/outcome.ts";
import type { OverlapPolicy } from "../../internal/schedule/schedule.ts";
import type { Enqueued } from "../../internal/store/jobs.ts";
import { type Attempts, endingsOf } from "./attempts.ts";
import { complaintAboutEnding, complaintAboutTries } from "./ending-oracle.ts";
import type { FlowOracle } from "./flow-oracle.ts";
import { errorOf, type JobRecord } from "./journal.ts";
import type { World } from "./world.ts";

/** Kept by results and progress that come after their fence is gone; it must never be seen in a row. */
export const GHOST = "ghost";

const CANCEL_REACHES_MS = 100; // The cancellation of a running job is one call away.
const CANCEL_HELD_MS = 5_000; // One that waits to start is ended by the next write, and writes can fail.

const SPIN_WINDOW_MS = 10_000;
const SPIN_CLAIMS_MAX = 40; // A job that is claimed four times a second gets nowhere, and keeps everybody busy.

/** What never changes about a job. */
const FIXED = [
  "seq",
  "token",
  "lane",
  "trigger",
  "uniqueKey",
  "parentId",
  "scheduleId",
  "occurrence",
  "runCount",
  "node",
] as const;

/** An oracle that looks at one thing of every job. */
export interface JobFollower {
  made?(job: JobRecord): void;
  /** Somebody holds it from now on: in the same change as it was made, or later. */
  claimed?(job: JobRecord): void;
  changed?(before: JobRecord, after: JobRecord): void;
  removed?(job: JobRecord): void;
  /** Everything of a commit is told. */
  endBatch?(): void;
}

export interface JobOracleOptions {
  world: World;
  attempts: Attempts;
  flows: FlowOracle;
  followers: readonly JobFollower[];
  isAlive: (bootId: string) => boolean;
  /** The boot that runs, or has died just now. */
  bootNow: () => string | undefined;
  /** True for a schedule that is deleted: what waits in the line of its backfills goes with it. */
  isDeleted: (scheduleId: string) => boolean;
  /** How occurrences of a schedule treat the run before them; null for what is no schedule. */
  overlapOf: (scheduleId: string | null) => OverlapPolicy | null;
}

export class JobOracle {
  /** All jobs, as they were last committed. */
  readonly jobs = new Map<string, JobRecord>();
  readonly byToken = new Map<string, JobRecord>();
  /** When each job last changed. */
  readonly changedAt = new Map<string, Millis>();
  readonly queuedIn = new Map<string, Set<string>>();
  /** Those that fell with others, and are held by somebody. */
  readonly heldSuspects = new Set<string>();
  readonly #world: World;
  readonly #attempts: Attempts;
  readonly #flows: FlowOracle;
  readonly #followers: readonly JobFollower[];
  readonly #isAlive: (bootId: string) => boolean;
  readonly #bootNow: () => string | undefined;
  readonly #overlapOf: (scheduleId: string | null) => OverlapPolicy | null;
  readonly #isDeleted: (scheduleId: string) => boolean;
  readonly #openOf = new Map<string, Set<string>>();
  readonly #endedAt = new Map<string, Millis>();
  readonly #promised = new Set<string>();
  readonly #cancelAsked = new Set<string>();
  readonly #cancelRunning = new Map<string, Millis>();
  /** Jobs that others were claimed before, although it was their turn. */
  readonly #overtaken = new Map<string, string>();
  /** Runs that each schedule had. */
  readonly #runs = new Map<string, number>();
  /** Jobs that were removed, as they were. */
  readonly #gone = new Map<string, JobRecord>();
  readonly #retriedOne = new Set<string>();
  readonly #retriedMany = new Set<string>();
  readonly #claims = new Map<string, { since: Millis; count: number }>();

  constructor({
    world,
    attempts,
    flows,
    followers,
    isAlive,
    bootNow,
    isDeleted,
    overlapOf,
  }: JobOracleOptions) {
    this.#world = world;
    this.#attempts = attempts;
    this.#flows = flows;
    this.#followers = followers;
    this.#isAlive = isAlive;
    this.#bootNow = bootNow;
    this.#isDeleted = isDeleted;
    this.#overlapOf = overlapOf;
  }

  /** Jobs that occurrences of a schedule on a node became, and that have not ended. */
  openOf(scheduleId: string, node: string): ReadonlySet<string> {
    return this.#openOf.get(`${scheduleId}@${node}`) ?? new Set();
  }

  /** When the last of them ended, by the clock of its host. */
  endedAt(scheduleId: string, node: string): Millis | undefined {
    return this.#endedAt.get(`${scheduleId}@${node}`);
  }

  made(job: JobRecord): void {
    const { id, token } = job;
    const later = job.runAt > job.createdAt || this.#flows.waits(id);
    this.#expect(!this.jobs.has(id), "I1", `${id} was made twice`);
    const first = job.trigger === "backfill" ? "paused" : later ? "scheduled" : "queued";
    const tries = job.state === "running" ? 1 : 0; // It may be claimed in the same step.
    const isClaimed = first === "queued" && tries === 1;
    this.#expect(job.state === first || isClaimed, "promise", `${id} was made as ${job.state}`);
    this.#expect(job.fence === tries && job.attempt === tries, "I6", `${id} was made with a fence`);
    if (job.trigger === "schedule") this.#count(job);
    if (job.trigger === "retry") this.#checkRetry(job);
    if (job.trigger === "enqueue") {
      const known = this.byToken.get(token);
      this.#expect(!known || this.#gone.has(known.id), "I1", `token ${token} was enqueued twice`);
    }
    for (const follower of this.#followers) follower.made?.(job);
    if (isClaimed) this.#claimed(undefined, job);
    this.#keep(job);
  }

  /** A retry is the same work, of a job that has ended. */
  #checkRetry({ id, retryOf, token, lane }: JobRecord): void {
    const old = this.jobs.get(retryOf ?? "") ?? this.#gone.get(retryOf ?? "");
    const same = old?.token === token && old.lane === lane;
    const isOver = old !== undefined && isFinished(old.state);
    this.#expect(
      same && isOver,
      "promise",
      `${id} retries ${retryOf}, which is ${old?.state}, and is another`,
    );
    if (this.#retriedOne.delete(id)) return;
    this.#expect(!this.#retriedMany.has(retryOf ?? ""), "promise", `${retryOf} was retried twice`);
    this.#retriedMany.add(retryOf ?? "");
  }

  /** Somebody retries one job: as a new one with this id. */
  retryAsked(id: string): void {
    this.#retriedOne.add(id);
  }

  /** Runs of a schedule are numbered without gap and double, whatever dies in between. */
  #count({ id, scheduleId, runCount }: JobRecord): void {
    const runs = (this.#runs.get(scheduleId ?? "") ?? 0) + 1;
    this.#expect(runCount === runs, "promise", `${id} is run ${runCount} of its schedule, and not ${runs}`);
    this.#runs.set(scheduleId ?? "", runs);
  }

  changed(after: JobRecord): void {
    const before = this.jobs.get(after.id);
    if (!before) return this.#world.violate("I9", `${after.id} changed and was never made`);
    this.#checkRow(before, after);
    if (before.state !== after.state) this.#checkMove(before, after);
    for (const follower of this.#followers) follower.changed?.(before, after);
    if (after.state === "running" && after.fence > before.fence) this.#claimed(before, after);
    this.#keep(after);
  }

  /** A job is held by somebody from now on. */
  #claimed(before: JobRecord | undefined, job: JobRecord): void {
    const { id, bootId } = job;
    this.#checkSpin(id);
    this.#checkOrder(before ?? job);
    const complaint = complaintAboutTries(before, job);
    this.#expect(complaint === null, "promise", `${id} ${complaint}`);
    this.#expect(bootId === this.#bootNow(), "promise 4", `${id} is held by a boot that is dead`);
    for (const follower of this.#followers) follower.claimed?.(job);
  }

  removed(id: string): void {
    const job = this.jobs.get(id);
    if (!job) return this.#world.violate("I9", `${id} was removed and was never made`);
    for (const follower of this.#followers) follower.removed?.(job);
    this.#attempts.forget(id, job.fence);
    this.jobs.delete(id);
    this.changedAt.delete(id);
    this.#gone.set(id, job);
  }

  /** A job as it is, or was when it was removed. */
  find(id: string): JobRecord | undefined {
    return this.jobs.get(id) ?? this.#gone.get(id);
  }

  /** After everything of a commit is told. */
  endBatch(): void {
    for (const [id, by] of this.#overtaken) {
      const { state, crowded } = this.jobs.get(id) ?? {};
      if (state === "queued" && crowded === 0)
        this.#world.violate("promise", `${by} was claimed before ${id}`);
    }
    this.#overtaken.clear();
    for (const follower of this.#followers) follower.endBatch?.();
  }

  /** The client was told that its job is on disk. */
  acknowledged({ token, uniqueKey }: Pick<NewJob, "uniqueKey"> & { token: string }, answer: Enqueued): void {
    const job = this.find(answer.id);
    if (!job)
      return this.#world.violate("I9", `${token} was acknowledged as ${answer.id}, which is not committed`);
    const own = job.token === token;
    const shared = !answer.created && uniqueKey !== undefined && job.uniqueKey === uniqueKey;
    this.#expect(own || shared, "promise 2", `${token} was acknowledged as the job of ${job.token}`);
    this.#promised.add(job.token);
  }

  /** Somebody asks for a cancellation, and may never hear an answer. */
  cancelAsked(id: string): void {
    this.#cancelAsked.add(id);
  }

  /** The same, for all runs of a schedule's backfills that have not begun. */
  cancelBackfillsAsked(scheduleId: string): void {
    this.#cancelAsked.add(scheduleId);
  }

  /** Somebody was told that a job is cancelled, or that it was asked to end. */
  cancelAnswered(id: string, before: string): void {
    const job = this.jobs.get(id);
    if (!job) return this.#world.violate("I9", `${id} was cancelled and is not there`);
    if (before === "running") {
      this.#expect(
        job.cancelRequested === 1 || isFinished(job.state),
        "promise 6",
        `${id} forgot its cancel`,
      );
      this.#cancelRunning.set(id, this.#world.time);
    } else this.#expect(isFinished(job.state), "promise 6", `${id} was cancelled and is ${job.state}`);
  }

  /** After every event: a cancellation that was answered reaches the attempt. */
  checkCancels(awakeSince: Millis): void {
    const { time } = this.#world;
    for (const [id, answeredAt] of this.#cancelRunning) {
      const job = this.jobs.get(id);
      const attempt = job && this.#attempts.find(id, job.fence);
      const held = job?.state === "running" && job.bootId !== null && this.#isAlive(job.bootId);
      if (!held || (attempt && attempt.abortedAt !== null)) {
        this.#cancelRunning.delete(id);
      } else if (
        time - Math.max(answeredAt, awakeSince, attempt ? 0 : this.#world.troubleAt) >
          (attempt ? CANCEL_REACHES_MS : CANCEL_HELD_MS) &&
        !attempt?.outcome
      ) {
        this.#world.violate("promise 6", `the cancel of ${id} (${job.token}) did not reach what runs`);
      }
    }
  }

  /** What the client holds an answer for and the database does not: must be nothing, at every start and at the end. */
  checkPromised(tokens: ReadonlySet<string>): void {
    for (const token of this.#promised) {
      const isGone = this.#gone.has(this.byToken.get(token)?.id ?? "");
      this.#expect(tokens.has(token) || isGone, "I9", `${token} was acknowledged and is gone`);
    }
  }

  get promised(): ReadonlySet<string> {
    return this.#promised;
  }

  #checkRow(before: JobRecord, after: JobRecord): void {
    const { id } = after;
    this.#expect(!isFinished(before.state), "I3", `${id} is ${before.state} and was changed`);
    for (const field of FIXED)
      this.#expect(before[field] === after[field], "promise", `${id} has another ${field} than before`);
    const claimed = before.state !== "running" && after.state === "running";
    const fenceOk = claimed ? after.fence > before.fence : after.fence === before.fence;
    this.#expect(fenceOk, "I6", `the fence of ${id} went from ${before.fence} to ${after.fence}`);
    this.#expect(after.attempt >= 0, "I6", `${id} has ${after.attempt} tries`);
    this.#expect(after.attempt <= (after.maxAttempts ?? 0), "I6", `${id} has had ${after.attempt} tries`);
    this.#expect(after.lost <= JOB_LOST_MAX + 1, "I6", `${id} was lost ${after.lost} times`);
    this.#expect(after.interrupted <= JOB_INTERRUPTED_MAX, "I6", `${id} was interrupted too often`);
    const haunted = after.pluginVersion === GHOST || (after.progress?.includes(GHOST) ?? false);
    this.#expect(!haunted, "I6", `${id} was changed by the holder of an old fence`);
  }

  #checkMove(before: JobRecord, after: JobRecord): void {
    const { id } = after;
    const move = `${id} (${after.token}) went from ${before.state} to ${after.state}`;
    this.#expect(JOB_MOVES[before.state].includes(after.state), "I3", move);
    if (before.state === "running") return this.#checkEnd(before, after, move);
    if (after.state === "running")
      this.#expect(after.attempt === before.attempt + 1, "I6", `${move} as try ${after.attempt}`);
    if (after.state === "queued" && before.state !== "paused")
      this.#expect(after.runAt <= this.#world.wall(), "promise", `${move} before its time`);
    if (after.state === "cancelled")
      this.#expect(this.#mayCancel(after), "promise 6", `${move}, and nobody asked for it`);
    if (after.state === "failed" && errorOf(after)?.kind !== "awaited") {
      const expired = after.expiresAt !== null && after.expiresAt <= this.#world.wall() && after.fence === 0;
      this.#expect(expired, "promise", `${move} without a try, and has not expired`);
    }
    if (after.state === "paused" || before.state === "paused") this.#checkPause(before, after, move);
  }

  /** What is paused or resumed stands where its time says. */
  #checkPause(before: JobRecord, after: JobRecord, move: string): void {
    if (isFinished(after.state) || after.trigger === "backfill") return;
    const isDue = before.runAt <= this.#world.wall();
    const place =
      before.waits > 0 ? "scheduled" : isDue ? "queued" : before.attempt > 0 ? "retrying" : "scheduled";
    this.#expect(after.state === "paused" || after.state === place, "promise", `${move}, and not ${place}`);
  }

  /** A client asked for it, or the next occurrence of its schedule takes its place. */
  #mayCancel(job: JobRecord): boolean {
    const { id, trigger, scheduleId } = job;
    if (this.#flows.mayCancel(job)) return true;
    const overlap = trigger === "schedule" ? this.#overlapOf(scheduleId) : null;
    if (trigger === "backfill") {
      const asked = this.#cancelAsked.has(id) || this.#cancelAsked.has(scheduleId ?? "");
      return asked || this.#isDeleted(scheduleId ?? "");
    }
    return this.#cancelAsked.has(id) || overlap === "cancel-other" || overlap === "terminate-other";
  }

  /** A job stopped running: because its attempt ended, because it never began, or because its host died. */
  #checkEnd(before: JobRecord, after: JobRecord, move: string): void {
    const recovered =
      after.interrupted > before.interrupted || /went down/.test(errorOf(after)?.message ?? "");
    if (recovered) {
      const alive = before.bootId !== null && this.#isAlive(before.bootId);
      this.#expect(!alive, "promise 4", `${move}: it was taken from a host that lives`);
      if (after.state === "queued")
        this.#expect(after.attempt === before.attempt - 1, "promise 7", `${move} and lost a try`);
      return;
    }
    const terminated = after.state === "cancelled" && this.#overlapOf(after.scheduleId) === "terminate-other";
    if (terminated && after.trigger === "schedule") return;
    const attempt = this.#attempts.find(before.id, before.fence);
    const endings: Outcome[] = attempt ? endingsOf(attempt, this.#world.time) : [{ kind: "returned" }];
    const complaints = endings.map((ending) => {
      const heardAt = ending === attempt?.outcome ? attempt.heardAt : null;
      return complaintAboutEnding(before, after, ending, heardAt);
    });
    if (complaints.includes(null)) return;
    const why = complaints.length === 0 ? "while its attempt was running" : complaints.join("; ");
    this.#world.violate("promise 3", `${move}: ${why}`);
  }

  /** Whoever comes first in its lane is claimed first; claims of one statement have no order. */
  #checkOrder(job: JobRecord): void {
    this.#overtaken.delete(job.id);
    for (const id of this.queuedIn.get(job.lane) ?? []) {
      const other = this.jobs.get(id);
      if (other?.crowded === 0 && (other.priority - job.priority || other.seq - job.seq) < 0)
        this.#overtaken.set(id, job.id);
    }
  }

  #checkSpin(id: string): void {
    const { time } = this.#world;
    const known = this.#claims.get(id);
    const claims = known && time - known.since < SPIN_WINDOW_MS ? known : { since: time, count: 0 };
    claims.count += 1;
    this.#claims.set(id, claims);
    this.#expect(claims.count <= SPIN_CLAIMS_MAX, "I8", `${id} is claimed over and over`);
  }

  #keep(job: JobRecord): void {
    const before = this.jobs.get(job.id);
    this.jobs.set(job.id, job);
    if (job.trigger === "enqueue" || job.trigger === "backfill") this.byToken.set(job.token, job);
    if (job.bootId !== null && job.suspect === 1) this.heldSuspects.add(job.id);
    else this.heldSuspects.delete(job.id);
    this.changedAt.set(job.id, this.#world.time);
    if (before?.state === "queued") this.queuedIn.get(job.lane)?.delete(job.id);
    if (job.state === "queued") setOf(this.queuedIn, job.lane).add(job.id);
    if (job.scheduleId !== null && job.trigger === "schedule") {
      const open = setOf(this.#openOf, `${job.scheduleId}@${job.node}`);
      if (!isFinished(job.state)) open.add(job.id);
      else if (open.delete(job.id)) this.#endedAt.set(`${job.scheduleId}@${job.node}`, job.finishedAt ?? 0);
    }
  }

  #expect(holds: boolean, invariant: string, message: string): void {
    if (!holds) this.#world.violate(invariant, message);
  }
}

function setOf<Key, Value>(sets: Map<Key, Set<Value>>, key: Key): Set<Value> {
  const known = sets.get(key);
  if (known) return known;
  const made = new Set<Value>();
  sets.set(key, made);
  return made;
}
