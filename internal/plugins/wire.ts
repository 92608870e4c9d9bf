/**
 * Wire: how attempts travel to a plugin and what comes back on the way. There
 * are two: the job stream of our own plugins, and one unary call a job for
 * plugins of QNTX. The proxy above them is the same.
 */
import type { JobProgress } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import type { Attempt, CancelReason, JobLogLine } from "../pulse/executor.ts";

/** Names one attempt: an answer with another fence is for an attempt that is over. */
export interface AttemptKey {
  jobId: string;
  fence: number;
}

/** What a wire tells the proxy. */
export interface WireEvents {
  ended(key: AttemptKey, outcome: Outcome): void;
  progress(key: AttemptKey, progress: JobProgress): void;
  checkpoint(key: AttemptKey, checkpoint: Uint8Array): void;
  log(key: AttemptKey, lines: readonly JobLogLine[]): void;
}

export interface Wire {
  /** True for the job stream. */
  readonly isStream: boolean;
  /** Sends an attempt on its way. Every start is answered by one `ended`, unless the process dies. */
  start(attempt: Attempt): void;
  /** Tells the plugin to end an attempt. */
  cancel(attempt: Attempt, reason: CancelReason): void;
  /** No more attempts will come. */
  drain(): void;
}
