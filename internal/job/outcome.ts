/**
 * Outcome: how an attempt ended, and what becomes of the job because of it.
 *
 * Every possible ending of other people's code is turned into one of these in
 * one place (the proxy handler); nothing after it sees an exception.
 */
import type { Millis } from "../base/env.ts";
import {
  type Job,
  type JobError,
  type JobState,
  JOB_LOST_MAX,
  LOST_BACKOFF_MS,
  RETRY_DEFAULT,
  type RetryPolicy,
} from "./job.ts";

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
  id: string;
  fence: number;
  /** Whose occurrence the job may be: a schedule wants to know how its runs end. */
  scheduleId: string | null;
  state: JobState;
  /** When it runs next, for `queued`, `scheduled` and `retrying`. */
  runAt: Millis | null;
  attempt: number;
  lost: number;
  suspect: boolean;
  result: Uint8Array | null;
  error: JobError | null;
  costActual: number;
  pluginVersion: string | null;
}

/** The wait before try number `attempt + 1`. `random` is in [0, 1). */
export function retryDelay(policy: RetryPolicy, attempt: number, random: number): Millis {
  if (policy.kind === "fixed") return policy.baseMs;
  const delay = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(30, Math.max(0, attempt - 1)));
  return Math.round(delay * (0.875 + random / 4));
}

type Held = Pick<
  Job,
  | "id"
  | "fence"
  | "scheduleId"
  | "attempt"
  | "maxAttempts"
  | "lost"
  | "suspect"
  | "retry"
  | "costActual"
  | "pluginVersion"
>;

/** Decides what becomes of a running job. Pure; the store applies it if the fence still holds. */
export function settle(
  job: Held,
  outcome: Outcome,
  { now, random }: { now: Millis; random: number },
): Settlement {
  const same = {
    id: job.id,
    fence: job.fence,
    scheduleId: job.scheduleId,
    runAt: null,
    attempt: job.attempt,
    lost: job.lost,
    suspect: false,
    result: null,
    error: null,
    costActual: job.costActual,
    pluginVersion: job.pluginVersion,
  };
  switch (outcome.kind) {
    case "completed":
      return {
        ...same,
        state: "completed",
        result: outcome.result,
        costActual: job.costActual + outcome.cost,
      };
    case "failed": {
      const error: JobError = { message: outcome.message, kind: outcome.errorKind, attempt: job.attempt };
      if (outcome.stack) error.stack = outcome.stack;
      const costActual = job.costActual + outcome.cost;
      if (outcome.permanent || job.attempt >= job.maxAttempts)
        return { ...same, state: "failed", error, costActual };
      const delayMs = Math.max(
        outcome.retryAfterMs,
        retryDelay(job.retry ?? RETRY_DEFAULT, job.attempt, random),
      );
      return { ...same, state: "retrying", runAt: now + delayMs, error, costActual };
    }
    case "snoozed":
      return { ...same, state: "scheduled", runAt: now + outcome.delayMs, attempt: job.attempt - 1 };
    case "disowned":
    case "returned":
      return { ...same, state: "queued", runAt: now, attempt: job.attempt - 1, suspect: job.suspect };
    case "lost": {
      const lost = job.lost + (outcome.alone ? 1 : 0);
      const error: JobError = { message: outcome.message, kind: "lost", attempt: job.attempt };
      if (lost > JOB_LOST_MAX) return { ...same, state: "failed", lost, error };
      const back = { ...same, lost, error, attempt: job.attempt - 1, suspect: true };
      // The first loss goes back at once; a job that keeps killing its process waits longer each time.
      if (lost <= 1) return { ...back, state: "queued", runAt: now };
      return { ...back, state: "retrying", runAt: now + LOST_BACKOFF_MS * 2 ** (lost - 2) };
    }
    case "cancelled":
      return {
        ...same,
        state: "cancelled",
        error: { message: outcome.message, kind: "cancelled", attempt: job.attempt },
      };
  }
}
