/** ExecuteCall: an attempt as one ExecuteJob call, as QNTX does it. Logs and progress arrive with the answer. */
import type { ExecuteJobResponse } from "../../proto/gen/protocol/domain.ts";
import { headersOf } from "./attempt-headers.ts";
import { endingOfResponse, endingOfRpcError } from "./endings.ts";
import { cleanEntry, cleanProgress } from "./guard.ts";
import type { UnaryCall } from "./unary-wire.ts";

const LOG_ENTRIES_MAX = 10_000; // Per answer.

export const EXECUTE_CALL: UnaryCall<ExecuteJobResponse> = {
  ask(connection, attempt, options) {
    const { job, budget } = attempt;
    const request = {
      jobId: job.id,
      handlerName: job.handler,
      payload: Buffer.from(job.payload.buffer, job.payload.byteOffset, job.payload.byteLength),
      timeoutSecs: Math.ceil(budget.ms / 1_000),
    };
    return connection.executeJob(request, { ...options, headers: headersOf(attempt) });
  },
  said({ logEntries, progressCurrent: current, progressTotal: total }, now) {
    const lines = logEntries.slice(0, LOG_ENTRIES_MAX).map((entry) => cleanEntry(entry, now));
    return { lines, progress: total > 0 ? cleanProgress({ current, total, message: "" }) : null };
  },
  ending: (response, _, warn) => endingOfResponse(response, warn),
  failed: endingOfRpcError,
};
