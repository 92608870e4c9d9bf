/**
 * RunningAttempt: one claimed job while its plugin works on it. It ends exactly
 * once: by what the plugin says, or, when the plugin ignores its cancellation,
 * by Pulse after a grace.
 */
import type { Millis } from "../base/env.ts";
import { type HeldJob, JOB_RESULT_BYTES_MAX, type JobProgress } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import { BUDGETED_CALLS, type Budget, overBudget } from "../plugin/budget.ts";
import type { HandlerOptions } from "../plugin/plugin.ts";
import type { Attempt, CancelReason, JobLogLine } from "./executor.ts";
import type { Lane } from "./registry.ts";

/** How long a plugin has to end an attempt that was cancelled, before its process is replaced. */
export const CANCEL_GRACE_MS = 5_000;

export interface AttemptOptions {
  job: HeldJob;
  lane: Lane;
  budget: Budget;
  /** Monotonic time of the start. */
  startedAt: Millis;
  onProgress: (attempt: RunningAttempt, progress: JobProgress) => void;
  onCheckpoint: (attempt: RunningAttempt, checkpoint: Uint8Array) => void;
  onLog: (attempt: RunningAttempt, lines: readonly JobLogLine[]) => void;
}

export class RunningAttempt implements Attempt {
  readonly job: HeldJob;
  readonly lane: Lane;
  readonly budget: Budget;
  onCancel: ((reason: CancelReason) => void) | null = null;
  #controller: AbortController | null = null;
  readonly #options: AttemptOptions;
  #reason: CancelReason | null = null;
  #deadline: Millis;
  #ended = false;

  constructor(options: AttemptOptions) {
    this.job = options.job;
    this.lane = options.lane;
    this.budget = options.budget;
    this.#options = options;
    this.#deadline = options.startedAt + options.budget.ms;
  }

  get cancelled(): CancelReason | null {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Monotonic time at which Pulse must look at it again. */
  get deadline(): Millis {
    return this.#deadline;
  }

  progress(progress: JobProgress): void {
    if (!this.#ended) this.#options.onProgress(this, progress);
  }

  checkpoint(checkpoint: Uint8Array): void {
    if (!this.#ended) this.#options.onCheckpoint(this, checkpoint);
  }

  log(lines: readonly JobLogLine[]): void {
    this.#options.onLog(this, lines); // Also behind its end: what it printed last comes by another way.
  }

  /** Tells the plugin to end it; the first reason stands. */
  cancel(reason: CancelReason, mono: Millis): void {
    if (this.#reason !== null || this.#ended) return;
    this.#reason = reason;
    this.#deadline = mono + CANCEL_GRACE_MS;
    this.#controller?.abort(reason);
    this.onCancel?.(reason);
  }

  /** Looks at the deadline: a timeout first cancels; a grace that ran out gives the outcome that Pulse decides. */
  overdue(mono: Millis): Outcome | null {
    if (mono < this.#deadline) return null;
    if (this.#reason !== null) return forced(this.#reason, this);
    this.cancel("timeout", mono);
    return null;
  }

  /** True the first time. What comes later is too late. */
  end(): boolean {
    const first = !this.#ended;
    this.#ended = true;
    return first;
  }
}

/** The outcome of an attempt that did not end by itself. */
function forced(reason: CancelReason, { job, lane, budget }: RunningAttempt): Outcome {
  switch (reason) {
    case "cancelled":
      return { kind: "cancelled", message: "cancelled; its plugin did not stop and was replaced" };
    case "shutdown":
      return { kind: "returned" };
    case "timeout":
      return {
        kind: "failed",
        message: overrun(lane.executor.plugin, job, budget, "did not stop: its process was replaced"),
        errorKind: "timeout",
        permanent: false,
        retryAfterMs: 0,
        cost: 0,
      };
  }
}

/** The budget of a run: the job's or its schedule's own, else the handler's, else the usual one. */
export function runBudget(job: HeldJob, handler: Pick<HandlerOptions, "timeoutMs">, usual: Budget): Budget {
  const owner = job.scheduleId === null ? "the job" : "its schedule";
  if (job.timeoutMs !== null) return { ms: job.timeoutMs, setBy: `the timeout of ${owner}` };
  if (handler.timeoutMs !== null) return { ms: handler.timeoutMs, setBy: "the timeout of its handler" };
  return usual;
}

/** Says that a run took longer than it may. */
export function overrun(plugin: string, { handler }: HeldJob, budget: Budget, became: string): string {
  return overBudget({ plugin, call: `${BUDGETED_CALLS.run} of ${handler}`, budget, became });
}

/** Refuses a result that is larger than we keep: a job that says too much has not completed. */
export function guardResult(outcome: Outcome): Outcome {
  if (
    outcome.kind !== "completed" ||
    outcome.result === null ||
    outcome.result.length <= JOB_RESULT_BYTES_MAX
  ) {
    return outcome;
  }
  return {
    kind: "failed",
    message: `the result has ${outcome.result.length} bytes; at most ${JOB_RESULT_BYTES_MAX} are kept`,
    errorKind: "result-too-large",
    permanent: true,
    retryAfterMs: 0,
    cost: outcome.cost,
  };
}
