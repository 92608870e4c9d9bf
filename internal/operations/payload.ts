/** Payloads: bytes inside, JSON at the doors. What is not JSON is shown as text or base64, and never guessed at. */
import { fieldFault } from "../base/fault.ts";
import type { Json } from "../ats/attestation.ts";

const DEPTH_MAX = 1_000; // Deeper than data is, and less than what writes JSON by calling itself can follow.

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
  const text = jsonOf(payload, field);
  if (text === undefined) throw fieldFault(field, "is not something that JSON can say.");
  return new TextEncoder().encode(text);
}

function jsonOf(payload: unknown, field: string): string | undefined {
  try {
    return JSON.stringify(payload);
  } catch (error) {
    if (error instanceof RangeError) throw fieldFault(field, "is nested too deeply.", "Send it as a text.");
    throw error;
  }
}

/** How people see bytes: the JSON they are, else the text (also of JSON that is too deep to be answered), else `{ base64 }`. Null when there are none. */
export function shownBytes(bytes: Uint8Array | null): Json {
  if (bytes === null || bytes.length === 0) return null;
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
  if (isDeep(text)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** True when lists and objects stand within each other too often. */
function isDeep(text: string): boolean {
  if (text.length <= 2 * DEPTH_MAX) return false;
  let [depth, isInText] = [0, false];
  for (let at = 0; at < text.length && depth <= DEPTH_MAX; at++) {
    const letter = text[at];
    if (letter === '"') isInText = !isInText;
    else if (isInText && letter === "\\") at++;
    else if (!isInText && (letter === "[" || letter === "{")) depth++;
    else if (!isInText && (letter === "]" || letter === "}")) depth--;
  }
  return depth > DEPTH_MAX;
}
