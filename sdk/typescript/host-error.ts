/** HostError: what the host refused, in a word for programs, with the fields that are wrong and when another try makes sense. */

/**
 * Why a call was refused:
 *
 * - `validation`: something that was given is wrong, or taken; `fieldErrors` says what;
 * - `not-found`: there is no such thing, or it is not this plugin's;
 * - `quota`: a limit is reached; `retryAfterMs` may say when it opens again;
 * - `denied`: the plugin lacks a capability; `hint` is the line that grants it;
 * - `conflict`: it is in a state, or at a revision, that forbids this;
 * - `unavailable`: the host did not answer, or not in time;
 * - `internal`: anything else.
 */
export type HostErrorCode =
  "validation" | "not-found" | "quota" | "denied" | "conflict" | "unavailable" | "internal";

interface Details {
  fields?: readonly { field: string; message: string }[];
  hint?: string;
  retryAfterMs?: number;
  limit?: HostError["limit"];
}

const CODES: Readonly<Record<string, HostErrorCode>> = {
  INVALID_ARGUMENT: "validation",
  NOT_FOUND: "not-found",
  RESOURCE_EXHAUSTED: "quota",
  PERMISSION_DENIED: "denied",
  UNAUTHENTICATED: "denied",
  ABORTED: "conflict",
  ALREADY_EXISTS: "conflict",
  FAILED_PRECONDITION: "conflict",
  UNAVAILABLE: "unavailable",
  DEADLINE_EXCEEDED: "unavailable",
  CANCELLED: "unavailable",
};

/** A call to the host that failed. */
export class HostError extends Error {
  override name = "HostError";
  readonly code: HostErrorCode;
  /** gRPC's word for it: NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED … */
  readonly status: string;
  readonly fields: readonly { field: string; message: string }[];
  readonly hint: string;
  /** Set when the host said when another try makes sense. */
  readonly retryAfterMs: number | undefined;
  /** Set when a limit of the plugin is reached. */
  readonly limit: { name: string; allows: number; used: number } | undefined;

  constructor(status: string, message: string, details: Details = {}) {
    super(details.hint ? `${message} ${details.hint}` : message); // Whoever reads the error of a job wants the way out.
    this.status = status;
    this.fields = details.fields ?? [];
    this.hint = details.hint ?? "";
    this.retryAfterMs = details.retryAfterMs || undefined;
    this.limit = details.limit;
    const code = CODES[status] ?? "internal";
    this.code = code === "conflict" && this.fields.length > 0 ? "validation" : code; // A name that is taken is a wrong name.
  }

  /** What is wrong with each field, by its name. */
  get fieldErrors(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.fields.map(({ field, message }) => [field, message]));
  }
}
