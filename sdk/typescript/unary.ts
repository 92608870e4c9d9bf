/**
 * Unary: one job by ExecuteJob, as QNTX defines it. The same handler as on the
 * stream; what the job says while it runs is in the answer.
 */
import { type Metadata, type sendUnaryData, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { type ExecuteJobRequest, ExecuteJobResponse } from "../../proto/gen/protocol/domain.ts";
import { JobStart } from "../../proto/gen/qntx/v1/plugin.ts";
import { wholeNumber } from "./codec.ts";
import { finishOfError, finishOfResult } from "./ending.ts";
import { LOG_CHARS_MAX } from "./outbox.ts";
import { type JobVoice, RunningJob } from "./running.ts";
import { fieldsText, type JobSource } from "./stream.ts";

export const LOG_ENTRIES_MAX = 5_000; // An answer is one message; a job that says more should be run on the stream.
const INT32_MAX = 2_147_483_647;

/** Runs the job and answers. NOT_FOUND when the plugin has no such handler. */
export function executeJob(
  source: JobSource & { version: string },
  call: ServerUnaryCall<ExecuteJobRequest, ExecuteJobResponse>,
  answer: sendUnaryData<ExecuteJobResponse>,
): void {
  const { handlerName, jobId, payload, timeoutSecs } = call.request;
  const handler = source.handler(handlerName);
  if (!handler) {
    const details = `${source.name} has no handler ${JSON.stringify(handlerName)}.`;
    return answer({ code: status.NOT_FOUND, details });
  }
  const response = ExecuteJobResponse.create({ pluginVersion: source.version });
  const timeoutMs = wholeNumber((timeoutSecs ?? 0) * 1_000);
  const start = { ...startOf(call.metadata), jobId, handler: handlerName, timeoutMs, payload };
  const job = new RunningJob(start, source.host, voiceInto(response));
  call.on("cancelled", () => job.abort("cancelled"));

  const end = ({ success, result, error, cost }: ReturnType<typeof finishOfResult>) => {
    answer(null, { ...response, success, result, error: error?.message ?? "", costActual: cost });
  };
  job.run(
    handler,
    (result) => end(finishOfResult(job, result)),
    (error) => end(finishOfError(job, error)),
  );
}

/** What a host of ours says beside QNTX's message. From another host there is nothing, and it is the one try. */
function startOf(metadata: Metadata): JobStart {
  const text = (key: string) => decoded(String(metadata.get(`qntx-${key}`)[0] ?? ""));
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
