/** Answers: JSON bodies, and the status and shape of a Fault, the same as the command line's `--json`. */
import { Fault, type FaultCode, messageOf, shapeOf } from "../base/fault.ts";
import type { Log } from "../base/log.ts";

const STATUS: Record<FaultCode, number> = {
  usage: 400,
  config: 400,
  "not-found": 404,
  conflict: 409,
  denied: 403,
  exhausted: 429,
  unreachable: 503,
  timeout: 504,
  failed: 500,
};

const HEADERS = {
  "content-type": "application/json",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

export function jsonAnswer(value: unknown, status = 200): Response {
  return new Response(`${JSON.stringify(value)}\n`, { status, headers: HEADERS });
}

/** What was thrown, as an answer. Our own mistakes are told to the log alone. */
export function faultAnswer(error: unknown, log: Log): Response {
  if (!(error instanceof Fault)) {
    log.error("a request failed", {
      error: messageOf(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    const message = "qntx made a mistake here; its log says which.";
    return jsonAnswer({ error: { code: "internal", message, hint: null, fields: [] } }, 500);
  }
  const { code, retryAfterMs } = error;
  const answer = jsonAnswer({ error: shapeOf(error) }, STATUS[code]);
  if (retryAfterMs) answer.headers.set("retry-after", String(Math.ceil(retryAfterMs / 1000)));
  return answer;
}
