/**
 * Endings: every way in which an attempt can end, as an Outcome. This is the
 * one place where what a plugin answered, or did not, becomes a word of ours.
 * Pure.
 */
import { status } from "@grpc/grpc-js";
import type { ExecuteJobResponse } from "../../proto/gen/protocol/domain.ts";
import type { JobError, JobFinish } from "../../proto/gen/qntx/v1/plugin.ts";
import { JOB_RESULT_BYTES_MAX, JOB_SNOOZE_MAX_MS } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import { overrun } from "../pulse/attempt.ts";
import type { Attempt, CancelReason } from "../pulse/executor.ts";
import { cleanCost, cleanText, type Warn } from "./guard.ts";

const ERROR_CHARS_MAX = 8_192; // A sentence; what is longer is a log.
const STACK_CHARS_MAX = 32_768;
const KIND_CHARS_MAX = 128;

/** What the SDKs call a job whose handler they do not have. */
const KIND_UNKNOWN_HANDLER = "unknown-handler";

/** The ending of an attempt that was told to end, once the plugin has ended it. What it answered no longer counts. */
export function endingOfCancel(
  reason: CancelReason,
  plugin: string,
  { job, budget }: Pick<Attempt, "job" | "budget">,
): Outcome {
  if (reason === "shutdown") return { kind: "returned" };
  if (reason === "cancelled") return { kind: "cancelled", message: "The job was cancelled while it ran." };
  return failed({ message: overrun(plugin, job, budget, "was told to end"), kind: "timeout" });
}

/** Reads an AbortSignal's reason; what is no word of ours means at least: end. */
export function cancelReason(signal: AbortSignal): CancelReason {
  const reason: unknown = signal.reason;
  return reason === "timeout" || reason === "shutdown" ? reason : "cancelled";
}

/** The ending that a plugin sent over the stream. */
export function endingOfFinish(finish: JobFinish, warn: Warn): Outcome {
  const cost = cleanCost(finish.cost, warn);
  if (finish.success) return completed(finish.result, cost);
  if (finish.error === undefined) return failed({ message: "The plugin gave no reason.", cost });
  return endingOfError(finish.error, cost);
}

/** The ending that a plugin answered to ExecuteJob. */
export function endingOfResponse(response: ExecuteJobResponse, warn: Warn): Outcome {
  const cost = cleanCost(response.costActual, warn);
  if (response.success) return completed(response.result, cost);
  return failed({ message: response.error || "The plugin gave no reason.", cost });
}

/** The ending of a call that brought no answer although the plugin is there. */
export function endingOfRpcError(code: status, details: string): Outcome {
  // The plugin lives and does not know the handler (any more): the job waits for one that does.
  if (code === status.NOT_FOUND || code === status.UNIMPLEMENTED) return { kind: "disowned" };
  const kind = code === status.DEADLINE_EXCEEDED ? "timeout" : "rpc";
  return failed({ message: `plugin execution failed: ${details || status[code]}`, kind });
}

function endingOfError(error: JobError, cost: number): Outcome {
  const waitMs = Math.min(JOB_SNOOZE_MAX_MS, Math.max(0, error.retryAfterMs));
  if (error.snooze) return { kind: "snoozed", delayMs: waitMs };
  if (error.kind === KIND_UNKNOWN_HANDLER) return { kind: "disowned" };
  const ending = failed({ message: error.message || "The plugin gave no reason.", kind: error.kind, cost });
  ending.permanent = error.permanent;
  ending.retryAfterMs = waitMs;
  if (error.stack) ending.stack = cleanText(error.stack, STACK_CHARS_MAX);
  return ending;
}

function completed(result: Uint8Array, cost: number): Outcome {
  if (result.length <= JOB_RESULT_BYTES_MAX) {
    return { kind: "completed", result: result.length === 0 ? null : result, cost };
  }
  const message = `The result has ${result.length} bytes; a result may have ${JOB_RESULT_BYTES_MAX}.`;
  return { ...failed({ message, kind: "result", cost }), permanent: true };
}

/** A failed try, of which no more is known than this. */
export function failed({ message, kind = "", cost = 0 }: { message: string; kind?: string; cost?: number }) {
  const ending: Extract<Outcome, { kind: "failed" }> = {
    kind: "failed",
    message: cleanText(message, ERROR_CHARS_MAX),
    errorKind: cleanText(kind, KIND_CHARS_MAX) || "error",
    permanent: false,
    retryAfterMs: 0,
    cost,
  };
  return ending;
}
