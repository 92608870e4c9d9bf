/** Instants as text: ISO 8601 in UTC with milliseconds on the way out; an explicit offset demanded on the way in. */
import type { Millis } from "./env.ts";
import { fieldFault, shown } from "./fault.ts";

const PATTERN = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** `2026-01-01T00:00:00.000Z`. */
export function formatInstant(ms: Millis): string {
  return new Date(ms).toISOString();
}

/** Parses an ISO 8601 instant that says its offset. Throws a Fault that names the field. */
export function parseInstant(text: string, field: string): Millis {
  const match = text.length <= 64 ? PATTERN.exec(text) : null;
  const ms = match ? Date.parse(text) : Number.NaN;
  // Date.parse takes 2026-02-30 for the 2nd of March; the day must come back as it went in.
  const dayExists =
    match &&
    new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]))).getUTCDate() ===
      Number(match[3]);
  if (Number.isNaN(ms) || !dayExists || !hasFourDigitYear(ms)) {
    throw fieldFault(
      field,
      `${shown(text)} is not an instant.`,
      'Write it with its offset, like "2026-01-31T09:00:00Z" or "2026-01-31T09:00:00+01:00".',
    );
  }
  return ms;
}

/** An offset may lead out of the years that can be written and read again. */
function hasFourDigitYear(ms: Millis): boolean {
  return /^\d{4}-/.test(new Date(ms).toISOString());
}
