/** Payloads: bytes inside, JSON at the doors. What is not JSON is shown as text or base64, and never guessed at. */
import { fieldFault } from "../base/fault.ts";
import type { Json } from "../ats/attestation.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A payload from outside: bytes as they are, anything else as JSON; nothing is no bytes. */
export function payloadBytes(payload: unknown, field: string, bytesMax: number): Uint8Array {
  const bytes = bytesOf(payload, field);
  if (bytes.length <= bytesMax) return bytes;
  throw fieldFault(
    field,
    `has ${bytes.length} bytes; at most ${bytesMax} are allowed.`,
    "Send a reference to the data instead.",
  );
}

/** The same without a limit, for who has one of its own. */
export function bytesOf(payload: unknown, field: string): Uint8Array {
  if (payload === undefined) return new Uint8Array();
  if (payload instanceof Uint8Array) return payload;
  const text = JSON.stringify(payload);
  if (text === undefined) throw fieldFault(field, "is not something that JSON can say.");
  return new TextEncoder().encode(text);
}

/** How people see bytes: the JSON they are, else the text, else `{ base64 }`. Null when there are none. */
export function shownBytes(bytes: Uint8Array | null): Json {
  if (bytes === null || bytes.length === 0) return null;
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
