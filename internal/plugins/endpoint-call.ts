/**
 * EndpointCall: an attempt as one request to one of the plugin's own HTTP routes, for
 * schedules that call those. The body is the payload; headers say which occurrence it
 * is, and a key that is the same for every attempt of it. What is refused, too late or
 * too long is a failure, and tried again as the schedule says.
 */
import { status } from "@grpc/grpc-js";
import type { HTTPHeader, HTTPResponse } from "../../proto/gen/protocol/domain.ts";
import type { Millis } from "../base/env.ts";
import type { Outcome } from "../job/outcome.ts";
import { grantLine } from "../access/capability.ts";
import type { Attempt } from "../pulse/executor.ts";
import { headersOf } from "./attempt-headers.ts";
import { failed } from "./endings.ts";
import { JOB_SNOOZE_MAX_MS } from "../job/job.ts";
import type { UnaryCall } from "./unary-wire.ts";

export const ENDPOINT_ANSWER_BYTES_MAX = 262_144; // 256 KiB: it is kept as the job's result, with every run.
const SHOWN_CHARS_MAX = 500; // Of an answer that says no: enough for its sentence.

/** The call of endpoints. `mayServe` says whether the plugin may answer requests at all. */
export function endpointCall(plugin: string, mayServe: () => boolean): UnaryCall<HTTPResponse> {
  return {
    async ask(connection, attempt, { limitMs, signal }) {
      if (!mayServe()) return { ok: false, code: status.PERMISSION_DENIED, details: lacksServe(plugin) };
      return connection.handleHttp(requestOf(attempt), limitMs, signal);
    },
    ending: endingOfAnswer,
    failed(code, details) {
      const word = code === status.PERMISSION_DENIED ? "denied" : "rpc";
      return failed({ message: `The endpoint did not answer: ${details || status[code]}`, kind: word });
    },
  };
}

function lacksServe(plugin: string): string {
  const grant = grantLine(plugin, ["cap:http.serve"]);
  return `plugin ${plugin} lacks cap:http.serve. Grant it with: ${grant}`;
}

function requestOf(attempt: Attempt) {
  const { id, handler, payload } = attempt.job;
  const [method = "", path = ""] = handler.split(" ");
  const headers = { ...headersOf(attempt), "idempotency-key": id, ...contentType(payload) };
  return {
    method,
    path,
    headers: Object.entries(headers).map(([name, value]): HTTPHeader => ({ name, values: [value] })),
    body: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
  };
}

function contentType(payload: Uint8Array): Record<string, string> {
  if (payload.length === 0) return {};
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    return { "content-type": "application/json" };
  } catch {
    return { "content-type": "application/octet-stream" };
  }
}

function endingOfAnswer({ statusCode, headers, body }: HTTPResponse, { job }: Attempt): Outcome {
  const answered = `${job.handler} answered`;
  if (statusCode < 200 || statusCode > 599)
    return failed({ message: `${answered} with status ${statusCode}, which is none.`, kind: "http" });
  if (statusCode >= 400) {
    const text = new TextDecoder().decode(body.subarray(0, SHOWN_CHARS_MAX)).trim();
    const message = `${answered} ${statusCode}${text === "" ? "." : `: ${text}`}`;
    return { ...failed({ message, kind: "http" }), retryAfterMs: retryAfter(headers) };
  }
  if (body.length <= ENDPOINT_ANSWER_BYTES_MAX)
    return { kind: "completed", result: body.length === 0 ? null : new Uint8Array(body), cost: 0 };
  const limit = `an endpoint that is scheduled may answer ${ENDPOINT_ANSWER_BYTES_MAX}`;
  return failed({ message: `${answered} with ${body.length} bytes; ${limit}.`, kind: "result" });
}

/** What a plugin that is busy asks for, in seconds. */
function retryAfter(headers: readonly HTTPHeader[]): Millis {
  const [text = ""] = headers.find(({ name }) => name.toLowerCase() === "retry-after")?.values ?? [];
  return /^\d{1,9}$/.test(text) ? Math.min(JOB_SNOOZE_MAX_MS, Number(text) * 1_000) : 0;
}
