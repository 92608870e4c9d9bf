/**
 * Unary: one job by ExecuteJob, as QNTX defines it. The same handler as on the
 * stream; what the job says while it runs is in the answer.
 */
import { status } from "@grpc/grpc-js";
import { type ExecuteJobRequest, ExecuteJobResponse } from "../../proto/gen/protocol/domain.ts";
import { JobStart } from "../../proto/gen/qntx/v1/plugin.ts";
import { wholeNumber } from "./codec.ts";
import { finishOfError, finishOfResult } from "./ending.ts";
import { LOG_CHARS_MAX } from "./outbox.ts";
import { type JobVoice, RunningJob } from "./running.ts";
import { type Call, Refusal } from "./server.ts";
import { fieldsText, type JobSource } from "./stream.ts";

export const LOG_ENTRIES_MAX = 5_000; // An answer is one message; a job that says more should be run on the stream.
const INT32_MAX = 2_147_483_647;

/** Runs the job and answers. NOT_FOUND when the plugin has no such handler. */
export async function executeJob(
  source: JobSource & { version: string },
  { handlerName, jobId, payload, timeoutSecs }: ExecuteJobRequest,
  call: Call,
): Promise<ExecuteJobResponse> {
  const handler = source.handler(handlerName);
  if (!handler)
    throw new Refusal(status.NOT_FOUND, `${source.name} has no handler ${JSON.stringify(handlerName)}.`);
  const response = ExecuteJobResponse.create({ pluginVersion: source.version });
  const timeoutMs = wholeNumber((timeoutSecs ?? 0) * 1_000);
  const start = { ...startOf(call), jobId, handler: handlerName, timeoutMs, payload };
  const job = new RunningJob(start, source.host, voiceInto(response));
  call.onClosed(() => job.abort("cancelled"));
  const finish = await new Promise<ReturnType<typeof finishOfResult>>((resolve) =>
    job.run(
      handler,
      (result) => resolve(finishOfResult(job, result)),
      (error) => resolve(finishOfError(job, error)),
    ),
  );
  const { success, result, error, cost } = finish;
  return { ...response, success, result, error: error?.message ?? "", costActual: cost };
}

/** What a host of ours says beside QNTX's message. From another host there is nothing, and it is the one try. */
function startOf(call: Call): JobStart {
  const text = (key: string) => decoded(call.header(`qntx-${key}`));
  const number = (key: string) => Number(text(key)) || 0;
  return JobStart.create({
    attempt: number("attempt") || 1,
    maxAttempts: number("max-attempts") || 1,
    trigger: text("trigger"),
    tenant: text("tenant"),
    scheduleId: text("schedule-id"),
    declaredId: text("declared-id"),
    occurrence: text("occurrence"),
    runCount: number("run-count"),
    catchup: text("catchup") === "true",
    traceparent: text("traceparent"),
  });
}

/** Headers are ASCII: other characters come as %E2%82%AC. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function voiceInto(response: ExecuteJobResponse): JobVoice {
  let dropped = 0;
  const entry = (level: string, message: string, metadata: string) => ({
    timestamp: new Date().toISOString(),
    level,
    message: message.slice(0, LOG_CHARS_MAX),
    stage: "",
    metadata,
  });
  return {
    log(_job, level, message, fields) {
      const { logEntries } = response;
      if (logEntries.length < LOG_ENTRIES_MAX) logEntries.push(entry(level, message, fieldsText(fields)));
      else logEntries[LOG_ENTRIES_MAX] = entry("warn", `${++dropped} more lines were dropped.`, "");
    },
    progress(_job, current, total) {
      response.progressCurrent = wholeNumber(current, INT32_MAX);
      response.progressTotal = wholeNumber(total, INT32_MAX);
    },
    checkpoint() {}, // Nobody would keep it.
    beat() {}, // Nobody listens before the answer.
  };
}
