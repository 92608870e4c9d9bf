/**
 * Codec: payloads and results between values and the bytes that travel.
 * JSON by convention; bytes pass as they are; nothing said is zero bytes.
 */
import type { Json } from "./qntx.ts";

/** Writes a value as JSON. Bytes stay bytes, undefined is empty. Throws a TypeError that says what is not JSON. */
export function toBytes(value: unknown): Buffer {
  if (value === undefined) return EMPTY;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return Buffer.from(toJson(value));
}

/** Reads JSON. Undefined when there are no bytes; text when they are not JSON. */
export function fromBytes(bytes: Uint8Array): Json {
  if (bytes.length === 0) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** True for what must be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** A number that fits the wire: the encoder throws for fractions and for what is not finite. */
export function wholeNumber(value: number, max: number = Number.MAX_SAFE_INTEGER): number {
  return Number.isFinite(value) ? Math.max(-max, Math.min(max, Math.round(value))) : 0;
}

const EMPTY = Buffer.alloc(0);

function toJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new TypeError(`${whyNotJson(error)}. Return plain data, or bytes.`, { cause: error });
  }
  // JSON.stringify answers undefined, without an error, for a function or a symbol.
  if (text === undefined) throw new TypeError(`A ${typeof value} is not JSON. Return plain data, or bytes.`);
  return text;
}

function whyNotJson(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/BigInt/i.test(text)) return "It holds a BigInt, which JSON cannot carry";
  if (/cycl|circular/i.test(text)) return "It holds itself (a cycle), which JSON cannot carry";
  return `It is not JSON: ${text}`;
}
