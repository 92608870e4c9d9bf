/**
 * Call: one unary call to the host as a promise, and HostError: what the host
 * refused, with the fields that are wrong and when another try makes sense.
 */
import { type MethodDefinition, status } from "@grpc/grpc-js";
import { FieldFaults } from "../../proto/gen/qntx/v1/host.ts";
import type { Channel } from "./channel.ts";

export const CALL_TIMEOUT_MS = 30_000; // A host that takes longer is gone or stuck, and the caller should know.

/** A call to the host that failed. `code` is gRPC's word: NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED … */
export class HostError extends Error {
  override name = "HostError";
  readonly code: string;
  readonly fields: readonly { field: string; message: string }[];
  readonly hint: string;
  /** Set when the host said when another try makes sense. */
  readonly retryAfterMs: number | undefined;
  /** Set when a limit of the plugin is reached: RESOURCE_EXHAUSTED. */
  readonly limit: { name: string; allows: number; used: number } | undefined;

  constructor(
    code: string,
    message: string,
    details: {
      fields?: HostError["fields"];
      hint?: string;
      retryAfterMs?: number;
      limit?: HostError["limit"];
    } = {},
  ) {
    super(details.hint ? `${message} ${details.hint}` : message); // Whoever reads the error of a job wants the way out.
    this.code = code;
    this.fields = details.fields ?? [];
    this.hint = details.hint ?? "";
    this.retryAfterMs = details.retryAfterMs || undefined;
    this.limit = details.limit;
  }
}

/** One unary call to the host. Rejects with a HostError. */
export type Ask = <Q, R>(method: MethodDefinition<Q, R>, request: Q) => Promise<R>;

/** Calls over a channel, each with these headers. */
export function asking(channel: Channel, headers: Readonly<Record<string, string>>): Ask {
  return async (method, request) => {
    const answer = await channel.call(method, request, { limitMs: CALL_TIMEOUT_MS, headers });
    if (answer.ok) return answer.value;
    const code = status[answer.code] ?? "UNKNOWN";
    throw new HostError(code, answer.details || code, faultsOf(answer.trailers?.["qntx-fields-bin"]));
  };
}

/** What our host says of a refusal beside the sentence. */
function faultsOf(trailer: unknown): FieldFaults | undefined {
  if (typeof trailer !== "string") return undefined;
  try {
    return FieldFaults.decode(Buffer.from(trailer, "base64"));
  } catch {
    return undefined; // The sentence of the error is enough.
  }
}
