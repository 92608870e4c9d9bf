/**
 * Outcome: how an attempt ended, and what becomes of the job because of it.
 *
 * Every possible ending of other people's code is turned into one of these in
 * one place (the proxy handler); nothing after it sees an exception.
 */
import type { Millis } from "../base/env.ts";
import {
  HISTORY_CHARS_MAX,
  type HeldJob,
  type JobError,
  type JobState,
  JOB_LOST_MAX,
  JOB_SNOOZES_MAX,
  LOST_BACKOFF_MS,
  type PastAttempt,
} from "./job.ts";
import { RETRY_DEFAULT, retryDelay } from "../base/retry.ts";

export type Outcome =
  | { kind: "completed"; result: Uint8Array | null; cost: number }
  | {
      kind: "failed";
      message: string;
      errorKind: string;
      permanent: boolean;
      retryAfterMs: Millis;
      stack?: string;
      cost: number;
    }
  /** Not a failure: run again later without spending the attempt. */
  | { kind: "snoozed"; delayMs: Millis }
  /** The plugin no longer knows the handler: the job waits for one that does. */
  | { kind: "disowned" }
  /** The process died under it. `alone`: no other job was in that process. */
  | { kind: "lost"; alone: boolean; message: string }
  /** Cut short by a shutdown: goes back without spending the attempt. */
  | { kind: "returned" }
  | { kind: "cancelled"; message: string };

/** What the store writes when an attempt ends, guarded by the fence. */
export interface Settlement {
  seq: number;
  id: string;
  fence: number;
  /** When it was claimed. */
  startedAt: Millis | null;
  /** Whose occurrence the job may be: a schedule wants to know how its runs end. */
  scheduleId: string | null;
  /** Who may run next when this one does not: others of its key. */
  concurrencyKey: string | null;
  /** True when what it costs counts against a budget. */
  budgeted: boolean;
  /** True when the end of the job concerns others. */
  followed: boolean;
  state: JobState;
  /** When it runs next, for `queued`, `scheduled` and `retrying`. */
  runAt: Millis | null;
  attempt: number;
  lost: number;
  suspect: boolean;
  result: Uint8Array | null;
  error: JobError | null;
  snoozed: number;
  /** This attempt, for the job to remember beside the others; null when it completed the job, or ended early. */
  past: PastAttempt | null;
  costActual: number;
  pluginVersion: string | null;
  pluginDigest: string | null;
}

/** Decides what becomes of a running job. Pure; the store applies it if the fence still holds. */
export function settle(
  job: HeldJob,
  outcome: Outcome,
  { now, random }: { now: Millis; random: number },
): Settlement {
  const settlement = decide(job, outcome, { now, random });
  if (settlement.error === null) return settlement;
  return { ...settlement, past: pastAttempt(job, settlement.error, now) };
}

/** What a job remembers of an answer that came when it had another holder; null where its plugin gave none. */
export function lateAnswer({ state, error }: Pick<Settlement, "state" | "error">): string | null {
  if (state === "completed") return "its answer came too late and was refused: it had completed";
  if (error === null || error.kind === "lost" || error.kind === "cancelled") return null;
  return pastMessage(`its answer came too late and was refused: ${error.message}`);
}

function pastMessage(message: string): string {
  const whole = message.length <= HISTORY_CHARS_MAX;
  return whole ? message : `${message.slice(0, HISTORY_CHARS_MAX).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** An attempt that did not complete its job, as the job remembers it. */
function pastAttempt(job: HeldJob, { kind, message }: JobError, now: Millis): PastAttempt {
  const { attempt, fence, startedAt, pluginVersion, pluginDigest } = job;
  return {
    attempt,
    fence,
    kind,
    message: pastMessage(message),
    startedAt,
    endedAt: now,
    pluginVersion,
    pluginDigest,
  };
}

interface Moment {
  now: Millis;
  random: number;
}

function decide(job: HeldJob, outcome: Outcome, moment: Moment): Settlement {
  switch (outcome.kind) {
    case "completed": {
      const end = unchanged(job, "completed"); // Changed, not copied: most jobs end so.
      end.result = outcome.result;
      end.costActual += outcome.cost;
      return end;
    }
    case "failed":
      return afterFailure(job, outcome, moment);
    case "snoozed":
      return afterSnooze(job, outcome.delayMs, moment);
    case "disowned":
    case "returned":
      return {
        ...unchanged(job, "queued"),
        runAt: moment.now,
        attempt: job.attempt - 1,
        suspect: job.suspect,
      };
    case "lost":
      return afterLoss(job, outcome, moment);
    case "cancelled": {
      const error = { message: outcome.message, kind: "cancelled", attempt: job.attempt };
      return { ...unchanged(job, "cancelled"), error };
    }
  }
}

/** What an ending leaves as it is, but for the state. */
function unchanged(job: HeldJob, state: JobState): Settlement {
  const {
    seq,
    id,
    fence,
    startedAt,
    scheduleId,
    concurrencyKey,
    budgeted,
    followed,
    attempt,
    lost,
    snoozed,
    costActual,
    pluginVersion,
    pluginDigest,
  } = job;
  return {
    seq,
    id,
    fence,
    startedAt,
    scheduleId,
    concurrencyKey,
    budgeted,
    followed,
    state,
    runAt: null,
    attempt,
    lost,
    suspect: false,
    result: null,
    error: null,
    snoozed,
    past: null,
    costActual,
    pluginVersion,
    pluginDigest,
  };
}

function afterFailure(
  job: HeldJob,
  outcome: Extract<Outcome, { kind: "failed" }>,
  { now, random }: Moment,
): Settlement {
  const error: JobError = { message: outcome.message, kind: outcome.errorKind, attempt: job.attempt };
  if (outcome.stack) error.stack = outcome.stack;
  const same = { ...unchanged(job, "failed"), error, costActual: job.costActual + outcome.cost };
  if (outcome.permanent || job.attempt >= job.maxAttempts) return same;
  const waitMs = retryDelay(job.retry ?? RETRY_DEFAULT, job.attempt, random);
  return { ...same, state: "retrying", runAt: now + Math.max(outcome.retryAfterMs, waitMs) };
}

function afterSnooze(job: HeldJob, delayMs: Millis, { now }: Moment): Settlement {
  const snoozed = job.snoozed + 1;
  if (snoozed <= JOB_SNOOZES_MAX)
    return { ...unchanged(job, "scheduled"), runAt: now + delayMs, attempt: job.attempt - 1, snoozed };
  const message = `it asked ${snoozed} times to run again later; ${JOB_SNOOZES_MAX} times are allowed`;
  return { ...unchanged(job, "failed"), error: { message, kind: "snoozed", attempt: job.attempt } };
}

function afterLoss(job: HeldJob, outcome: Extract<Outcome, { kind: "lost" }>, { now }: Moment): Settlement {
  const lost = job.lost + (outcome.alone ? 1 : 0);
  const error: JobError = { message: outcome.message, kind: "lost", attempt: job.attempt };
  const same = { ...unchanged(job, "failed"), lost, error };
  if (lost > JOB_LOST_MAX) return same;
  const back = { ...same, attempt: job.attempt - 1, suspect: true };
  // The first loss goes back at once; a job that keeps killing its process waits longer each time.
  if (lost <= 1) return { ...back, state: "queued", runAt: now };
  return { ...back, state: "retrying", runAt: now + LOST_BACKOFF_MS * 2 ** (lost - 2) };
}
