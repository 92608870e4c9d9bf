/**
 * Fault: a failure that must travel to a person. One of a few codes, a sentence
 * with the name and the value in it, and what to do next.
 *
 * Expected endings are values and bugs are plain throws; only what a caller did
 * or could change becomes a Fault. Nobody branches on its message.
 */

/** Why something was refused. Each surface maps these to its own numbers (exit code, HTTP status, gRPC status). */
export type FaultCode =
  | "usage" // The words or values given are wrong.
  | "config" // qntx.toml, the environment or a flag is wrong.
  | "not-found"
  | "conflict" // It exists already, or is in a state that forbids this.
  | "denied"
  | "exhausted" // A limit is reached; trying later may help.
  | "unreachable" // Nobody answered.
  | "timeout"
  | "failed"; // It was tried and did not work.

/** One wrong field of an input: its path and what is wrong with it. */
export interface FieldFault {
  field: string;
  message: string;
}

/** A limit that is reached: its name, how much it allows, and how much there is or was asked for. */
export interface LimitFault {
  name: string;
  allows: number;
  used: number;
}

export interface FaultOptions {
  hint?: string | undefined;
  fields?: readonly FieldFault[] | undefined;
  retryAfterMs?: number | undefined;
  limit?: LimitFault | undefined;
  cause?: unknown;
}

/** An error for a person: `message` says what, `hint` says what to do about it. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly hint: string | undefined;
  readonly fields: readonly FieldFault[];
  readonly retryAfterMs: number | undefined;
  readonly limit: LimitFault | undefined;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Fault";
    this.code = code;
    this.hint = options.hint;
    this.fields = options.fields ?? [];
    this.retryAfterMs = options.retryAfterMs;
    this.limit = options.limit;
  }
}

/** What programs read of a fault, on the command line and over HTTP. */
export interface FaultShape {
  code: string;
  message: string;
  hint: string | null;
  fields: readonly FieldFault[];
  retryAfterMs?: number;
  limit?: LimitFault;
}

/** A fault as programs read it; what it does not have is left out. */
export function shapeOf({ code, message, hint, fields, retryAfterMs, limit }: Fault): FaultShape {
  return {
    code,
    message,
    hint: hint ?? null,
    fields,
    ...(retryAfterMs ? { retryAfterMs } : {}),
    ...(limit ? { limit } : {}),
  };
}

/** Refuses one field's value: `payload: 12 is not …`, with the field kept for forms and plugins. */
export function fieldFault(field: string, message: string, hint?: string): Fault {
  return new Fault("usage", `${field}: ${message}`, { hint, fields: [{ field, message }] });
}

/** Throws when our own code is wrong. Never for what somebody sent. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`Assertion failed: ${what}`);
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows a value inside a message: quoted, and cut so that a megabyte of input stays one line. */
export function shown(value: unknown, charsMax = 60): string {
  const isNumber = typeof value === "number"; // JSON has no words for NaN and the infinities.
  const text = isNumber ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > charsMax ? `${text.slice(0, charsMax)}… (${text.length} characters)` : text;
}

/** A sentence that ends another one, which has a stop of its own. */
export function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, "");
}
