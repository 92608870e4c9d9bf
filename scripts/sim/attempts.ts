/**
 * Attempts: what plugins really did, told by the plugins. Each ran once, for one
 * fence; what became of its job is compared with what it answered.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { Outcome } from "../../internal/job/outcome.ts";
import { CANCEL_GRACE_MS } from "../../internal/pulse/attempt.ts";
import type { CancelReason } from "../../internal/pulse/executor.ts";

export interface AttemptRecord {
  readonly jobId: string;
  readonly fence: number;
  readonly token: string;
  readonly plugin: string;
  readonly handler: string;
  readonly suspect: boolean;
  readonly startedAt: Millis;
  /** When it was told to end. */
  abortedAt: Millis | null;
  reason: CancelReason | null;
  /** What its plugin answered, or what its process's death made of it. */
  outcome: Outcome | null;
  /** When the host heard that, by the clock on its wall. */
  heardAt: Millis | null;
  /** False when its host knows that it is over, whatever it answered. */
  running: boolean;
}

export class Attempts {
  readonly #all = new Map<string, AttemptRecord>();
  readonly #running = new Set<AttemptRecord>();
  /** Told of each that its host knows to be over. */
  onEnd: (record: AttemptRecord) => void = () => {};

  /** Those that run in some process now. */
  get running(): ReadonlySet<AttemptRecord> {
    return this.#running;
  }

  find(jobId: string, fence: number): AttemptRecord | undefined {
    return this.#all.get(`${jobId}#${fence}`);
  }

  start(record: AttemptRecord): void {
    this.#all.set(`${record.jobId}#${record.fence}`, record);
    this.#running.add(record);
  }

  end(record: AttemptRecord, outcome: Outcome | null): void {
    record.outcome ??= outcome;
    record.running = false;
    if (this.#running.delete(record)) this.onEnd(record);
  }

  /** A job is removed: its id may be taken again. */
  forget(jobId: string, fences: number): void {
    for (let fence = 1; fence <= fences; fence++) this.#all.delete(`${jobId}#${fence}`);
  }

  /** One that is over, of a job that went on: what a plugin could still answer too late. */
  past(index: number): AttemptRecord | undefined {
    return [...this.#all.values()].at(index);
  }

  get count(): number {
    return this.#all.size;
  }
}

/** True when Pulse no longer waits for it: it ignored its cancellation for longer than the grace. */
export function isAbandoned({ abortedAt }: AttemptRecord, now: Millis): boolean {
  return abortedAt !== null && now - abortedAt >= CANCEL_GRACE_MS;
}

/** The endings that the job of an attempt may have by now. */
export function endingsOf(record: AttemptRecord, now: Millis): Outcome[] {
  const endings = record.outcome ? [record.outcome] : [];
  if (isAbandoned(record, now) && record.reason) endings.push(endingOfCancel(record.reason));
  return endings;
}

/** What an attempt that was told to end comes to. */
export function endingOfCancel(reason: CancelReason): Outcome {
  if (reason === "cancelled") return { kind: "cancelled", message: "cancelled" };
  if (reason === "shutdown") return { kind: "returned" };
  return failure({ errorKind: "timeout" });
}

export function failure(
  change: Partial<Extract<Outcome, { kind: "failed" }>> = {},
): Extract<Outcome, { kind: "failed" }> {
  return {
    kind: "failed",
    message: "it broke",
    errorKind: "Error",
    permanent: false,
    retryAfterMs: 0,
    cost: 0,
    ...change,
  };
}
