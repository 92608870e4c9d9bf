/** Call: one unary call to the host as a promise. */
import { type MethodDefinition, status } from "@grpc/grpc-js";
import { FieldFaults } from "../../proto/gen/qntx/v1/host.ts";
import type { Channel } from "./channel.ts";
import { HostError } from "./host-error.ts";

export const CALL_TIMEOUT_MS = 30_000; // A host that takes longer is gone or stuck, and the caller should know.

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
