/**
 * Answer: how a service method of ours becomes a gRPC one. Whatever a method
 * throws is turned into an answer here, so that no plugin can take the host down.
 *
 * QNTX's services answer OK with `success: false` and a sentence; ours answer
 * with gRPC statuses, and the wrong fields in a trailer. Whoever asks for it by a
 * header has that of QNTX's services, too: our SDKs tell programs why in a word.
 */
import { status } from "@grpc/grpc-js";
import { Refusal, type ServedStream, type UnaryMethod } from "../../sdk/typescript/server.ts";
import { Fault, type FaultCode, messageOf } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { AnyOperation, Context } from "../operations/operation.ts";
import { admit } from "../operations/run.ts";
import { FieldFaults } from "../wire/host.ts";
import { byHeader, byToken, type ServiceOptions } from "./door.ts";

/** One sentence for what is our own mistake: the details are in the log, not in a plugin's hands. */
const INTERNAL = "qntx made a mistake here; its log says which.";

/** With the value `status`, who calls QNTX's services is refused with a gRPC status. */
const REFUSALS = "qntx-refusals";

/** The sentence that a plugin gets for what was thrown. */
export function sentenceOf(error: unknown, log: Log, method: string): string {
  if (error instanceof Fault) return error.hint ? `${error.message} ${error.hint}` : error.message;
  log.error("a call from a plugin failed", { method, error: messageOf(error) });
  return INTERNAL;
}

/**
 * A method of QNTX's protocol: the caller is looked up and may do what `operation`
 * is, before `run` sees the request; `fail` makes the answer of a sentence.
 */
export function legacy<Request extends { authToken: string }, Response>(
  options: ServiceOptions,
  operation: AnyOperation,
  run: (context: Context, request: Request) => Promise<NoInfer<Response>>,
  fail: (sentence: string) => NoInfer<Response>,
): UnaryMethod<Request, Response> {
  const { log } = options;
  return async (request, call) => {
    try {
      const context = byToken(options, request.authToken);
      await admit(context, operation, request);
      return await run(context, request);
    } catch (error) {
      if (call.header(REFUSALS) === "status") throw refusalFor(error, log, operation.name);
      return fail(sentenceOf(error, log, operation.name));
    }
  };
}

/** A method of our own protocol. */
export function unary<Request, Response>(
  options: ServiceOptions,
  operation: AnyOperation,
  run: (context: Context, request: Request) => Promise<NoInfer<Response>>,
): UnaryMethod<Request, Response> {
  return async (request, call) => {
    try {
      const context = byHeader(options, call);
      await admit(context, operation, request);
      return await run(context, request);
    } catch (error) {
      throw refusalFor(error, options.log, operation.name);
    }
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

/** The refusal for what was thrown, with the wrong fields in `qntx-fields-bin`. */
function refusalFor(error: unknown, log: Log, method: string): Refusal {
  const { code, details, faults } = refusalOf(error, log, method);
  if (!faults) return new Refusal(code, details);
  const fields = Buffer.from(FieldFaults.encode(faults).finish()).toString("base64");
  return new Refusal(code, details, { "qntx-fields-bin": fields });
}

/** What a caller hears of what was thrown. */
export function refusalOf(error: unknown, log: Log, method: string) {
  const details = sentenceOf(error, log, method);
  if (!(error instanceof Fault)) return { code: status.INTERNAL, details, faults: undefined };
  const { fields, hint = "", retryAfterMs = 0, limit } = error;
  const faults = { fields: [...fields], hint, retryAfterMs, limit };
  return { code: STATUS[error.code], details: error.message, faults };
}

/** Ends a stream of ours with the status of what was thrown, behind what it was sent. */
export function endWith(stream: Pick<ServedStream<unknown, never>, "fail">, error: unknown, log: Log): void {
  stream.fail(refusalFor(error, log, "stream"));
}
