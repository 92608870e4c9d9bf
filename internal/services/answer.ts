/**
 * Answer: how a service method of ours becomes a gRPC one. Whatever a method
 * throws is turned into an answer here, so that no plugin can take the host down.
 *
 * QNTX's services answer OK with `success: false` and a sentence; ours answer
 * with gRPC statuses, and the wrong fields in a trailer.
 */
import { type handleUnaryCall, Metadata, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { Fault, type FaultCode, messageOf } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import { FieldFaults } from "../wire/host.ts";

/** One sentence for what is our own mistake: the details are in the log, not in a plugin's hands. */
const INTERNAL = "qntx made a mistake here; its log says which.";

/** The sentence that a plugin gets for what was thrown. */
export function sentenceOf(error: unknown, log: Log, method: string): string {
  if (error instanceof Fault) return error.hint ? `${error.message} ${error.hint}` : error.message;
  log.error("a call from a plugin failed", { method, error: messageOf(error) });
  return INTERNAL;
}

/** A method of QNTX's protocol: `fail` makes its answer from a sentence. */
export function legacy<Request, Response>(
  log: Log,
  method: string,
  run: (request: Request) => Promise<NoInfer<Response>>,
  fail: (sentence: string) => NoInfer<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    run(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => callback(null, fail(sentenceOf(error, log, method))),
    );
  };
}

/** A method of our own protocol. */
export function unary<Request, Response>(
  log: Log,
  method: string,
  run: (request: Request, call: ServerUnaryCall<Request, Response>) => Promise<NoInfer<Response>>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    run(call.request, call).then(
      (response) => callback(null, response),
      (error: unknown) => callback(statusOf(error, log, method)),
    );
  };
}

const STATUS: Record<FaultCode, status> = {
  usage: status.INVALID_ARGUMENT,
  config: status.FAILED_PRECONDITION,
  "not-found": status.NOT_FOUND,
  conflict: status.ABORTED,
  denied: status.PERMISSION_DENIED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unreachable: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
  failed: status.FAILED_PRECONDITION,
};

/** The gRPC status of what was thrown, with the wrong fields in `qntx-fields-bin`. */
export function statusOf(error: unknown, log: Log, method: string) {
  const details = sentenceOf(error, log, method);
  const metadata = new Metadata();
  if (!(error instanceof Fault)) return { code: status.INTERNAL, details, metadata };
  const { fields, hint, retryAfterMs } = error;
  const trailer = FieldFaults.encode({
    fields: [...fields],
    hint: hint ?? "",
    retryAfterMs: retryAfterMs ?? 0,
  }).finish();
  metadata.set("qntx-fields-bin", Buffer.from(trailer));
  return { code: STATUS[error.code], details: error.message, metadata };
}
