/**
 * Executor: the seam between Pulse and whatever runs a handler. Pulse knows
 * nothing of processes or gRPC; a plugin's connection implements this.
 */
import type { PluginEndpoint } from "../access/principal.ts";
import type { Millis } from "../base/env.ts";
import type { HeldJob, JobProgress } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import type { Budget } from "../plugin/budget.ts";
import type { HandlerOptions } from "../plugin/plugin.ts";

/** One line that a job said. */
export interface JobLogLine {
  at: Millis;
  level: "debug" | "info" | "warn" | "error";
  message: string;
  stage: string;
  /** A JSON object as text; empty means none. */
  fields: string;
}

/** Why a running attempt is told to end. */
export type CancelReason = "cancelled" | "timeout" | "shutdown";

/** A claimed job on its way through a plugin, with ways back to Pulse while it runs. */
export interface Attempt {
  readonly job: HeldJob;
  /** How long it may take, and who says so. Pulse enforces it; the plugin is told. */
  readonly budget: Budget;
  /** Why the attempt should end; null while it may go on. */
  readonly cancelled: CancelReason | null;
  /** Called when the attempt should end. Set by its executor. */
  onCancel: ((reason: CancelReason) => void) | null;
  /** The same as a signal, made when it is asked for: most attempts end by themselves, and there are many. */
  readonly signal: AbortSignal;
  progress(progress: JobProgress): void;
  /** Saves something for the next attempt. */
  checkpoint(checkpoint: Uint8Array): void;
  log(lines: readonly JobLogLine[]): void;
}

export interface Executor {
  /** The plugin's name. */
  readonly plugin: string;
  /** Whose jobs it runs; absent or empty for the host's own. */
  readonly tenant?: string;
  readonly version: string;
  /** The first digits of the SHA-256 of its program; absent or null where there is no file of its own. */
  readonly digest?: string | null;
  /** Jobs at once, over all its handlers. */
  readonly concurrency: number;
  /** Bytes that one of its jobs may say; absent: as many as any. */
  readonly logBytesMax?: number | undefined;
  /** Runs one attempt. Never rejects: every ending is an Outcome. */
  execute(attempt: Attempt): Promise<Outcome>;
  /** Ends the process, because an attempt ignored its cancellation; the others in it come back as lost, not alone. */
  replace(reason: string): void;
}

/** What one plugin brings into a registration step. */
export interface Registration {
  executor: Executor;
  handlers: readonly HandlerOptions[];
  /** Its HTTP routes, of which schedules may call some. */
  endpoints?: readonly PluginEndpoint[];
}
