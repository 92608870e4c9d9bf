/**
 * Call: one unary call to the host as a promise, and HostError: what the host
 * refused, with the fields that are wrong and when another try makes sense.
 */
import { type CallOptions, type Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { FieldFaults } from "../../proto/gen/qntx/v1/host.ts";

export const CALL_TIMEOUT_MS = 30_000; // A host that takes longer is gone or stuck, and the caller should know.

/** A call to the host that failed. `code` is gRPC's word: NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED … */
export class HostError extends Error {
  override name = "HostError";
  readonly code: string;
  readonly fields: readonly { field: string; message: string }[];
  readonly hint: string;
  /** Set when the host said when another try makes sense. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    details: { fields?: HostError["fields"]; hint?: string; retryAfterMs?: number } = {},
  ) {
    super(details.hint ? `${message} ${details.hint}` : message); // Whoever reads the error of a job wants the way out.
    this.code = code;
    this.fields = details.fields ?? [];
    this.hint = details.hint ?? "";
    this.retryAfterMs = details.retryAfterMs || undefined;
  }
}

/** A method of a generated client. */
export type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, answer: A) => void,
) => unknown;

/** Makes a call as a promise. Rejects with a HostError. */
export function ask<Q, A>(method: Unary<Q, A>, request: Q, metadata: Metadata): Promise<A> {
  return new Promise((resolve, reject) => {
    method(request, metadata, { deadline: Date.now() + CALL_TIMEOUT_MS }, (error, answer) =>
      error ? reject(fromServiceError(error)) : resolve(answer),
    );
  });
}

/** Reads a gRPC error, with the details that our host puts into its trailer. */
export function fromServiceError(error: ServiceError): HostError {
  const code = status[error.code] ?? "UNKNOWN";
  return new HostError(code, error.details || error.message, detailsOf(error.metadata));
}

function detailsOf(metadata: Metadata | undefined): FieldFaults | undefined {
  const [bytes] = metadata?.get("qntx-fields-bin") ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    return FieldFaults.decode(bytes);
  } catch {
    return undefined; // The sentence of the error is enough.
  }
}
