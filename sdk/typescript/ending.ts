/**
 * Ending: what a handler returned or threw, as the answer that the host gets.
 *
 * Errors are known by their `name`, never by `instanceof`: a plugin may bring a
 * copy of the SDK of its own, and its PermanentError is still one.
 */
import { format } from "node:util";
import type { JobError, JobFinish } from "../../proto/gen/qntx/v1/plugin.ts";
import { toBytes, wholeNumber } from "./codec.ts";
import type { RunningJob } from "./running.ts";

export const RESULT_BYTES_MAX = 1_048_576; // 1 MiB: what a host keeps of a result; larger things belong in files or attestations.
const TEXT_CHARS_MAX = 65_536; // Of a message or a stack: enough for any real one.
const CAUSES_MAX = 4; // Deep enough to find the root, short enough to read.

/** Throw it to fail a job with an ending that was made elsewhere, in another process. */
export class RemoteEnding extends Error {
  override name = "RemoteEnding";
  readonly ending: JobError;
  constructor(ending: JobError) {
    super(ending.message);
    this.ending = ending;
  }
}

/** The answer for a handler that returned. A result that cannot travel is a failure that says so. */
export function finishOfResult(job: RunningJob, result: unknown): JobFinish {
  if (isCutShort(job) && job.listens) return givenBack(job);
  let bytes: Buffer;
  try {
    bytes = toBytes(result);
  } catch (error) {
    return refused(job, `The result of ${job.handler} cannot be sent. ${textOf(error)}`);
  }
  if (bytes.length > RESULT_BYTES_MAX) {
    return refused(
      job,
      `The result of ${job.handler} has ${bytes.length} bytes; a result may have ${RESULT_BYTES_MAX}.`,
    );
  }
  return { ...frame(job), success: true, result: bytes, error: undefined };
}

/** The answer for a handler that threw. */
export function finishOfError(job: RunningJob, error: unknown): JobFinish {
  if (isCutShort(job)) return givenBack(job);
  return { ...frame(job), success: false, result: NOTHING, error: errorOf(job, error) };
}

/** The answer for a job whose handler this plugin does not have. */
export function finishOfUnknown(jobId: string, fence: number, handler: string, plugin: string): JobFinish {
  const error = jobError(`${plugin} has no handler ${JSON.stringify(handler)}.`, "unknown-handler");
  return { jobId, fence, success: false, result: NOTHING, error, cost: 0 };
}

const NOTHING = Buffer.alloc(0);

/** True when the plugin is ending, for whatever reason: its host may be going on, and is the one to run it again. */
function isCutShort({ aborted }: RunningJob): boolean {
  return aborted?.reason === "shutdown";
}

/**
 * The answer for a job that did not come to its end. One that never asked for its
 * signal cannot have returned early, and counts.
 */
function givenBack(job: RunningJob): JobFinish {
  const error = { ...jobError("The job was told to end.", "shutdown"), snooze: true };
  return { ...frame(job), success: false, result: NOTHING, error };
}

function frame(job: RunningJob): Pick<JobFinish, "jobId" | "fence" | "cost"> {
  return { jobId: job.start.jobId, fence: job.start.fence, cost: job.costSum };
}

/** Running it again would return the same thing, so it is for good. */
function refused(job: RunningJob, message: string): JobFinish {
  const error = { ...jobError(message, "result"), permanent: true };
  return { ...frame(job), success: false, result: NOTHING, error };
}

function errorOf(job: RunningJob, thrown: unknown): JobError {
  if (thrown instanceof RemoteEnding) return thrown.ending;
  const name = nameOf(thrown);
  const error = jobError(textOf(thrown), kindOf(job, thrown, name));
  error.stack = stackOf(thrown);
  error.permanent = name === "PermanentError";
  error.snooze = name === "Snooze";
  error.retryAfterMs = waitOf(thrown, name);
  return error;
}

/** A job that threw because it was told to end is not a failure of its own. */
function kindOf(job: RunningJob, thrown: unknown, name: string): string {
  if (!job.aborted || (thrown !== job.aborted && name !== "AbortError")) return name;
  return job.aborted.reason === "timeout" ? "timeout" : "cancelled";
}

/** The wait that the error asks for: ours say `afterMs`, an error of the host `retryAfterMs`. */
function waitOf(thrown: unknown, name: string): number {
  if (typeof thrown !== "object" || thrown === null) return 0;
  let ms: unknown = 0;
  if (name === "RetryAfterError" || name === "Snooze") ms = "afterMs" in thrown ? thrown.afterMs : 0;
  if (name === "HostError") ms = "retryAfterMs" in thrown ? thrown.retryAfterMs : 0;
  return typeof ms === "number" ? Math.max(0, wholeNumber(ms)) : 0;
}

function jobError(message: string, kind: string): JobError {
  return { message, kind, permanent: false, retryAfterMs: 0, stack: "", snooze: false };
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error && typeof thrown.name === "string" && thrown.name ? thrown.name : "Error";
}

/** The sentence of anything that was thrown. */
export function textOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : format(thrown);
  return String(text).slice(0, TEXT_CHARS_MAX);
}

function stackOf(thrown: unknown): string {
  const stacks: string[] = [];
  for (let at = thrown; at instanceof Error && stacks.length < CAUSES_MAX; at = at.cause) {
    stacks.push(typeof at.stack === "string" ? at.stack : String(at));
  }
  return stacks.join("\nCaused by: ").slice(0, TEXT_CHARS_MAX);
}
