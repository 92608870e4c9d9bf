/**
 * Durations as people write them: `30s`, `5m`, `2h`, `1d`, `1h30m`, `250ms`.
 * Strict: units in falling order, each once, whole numbers; nothing is guessed.
 */
import type { Millis } from "./env.ts";
import { fieldFault, shown } from "./fault.ts";

const UNITS: readonly (readonly [string, Millis])[] = [
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];

const PATTERN =
  /^(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?$/;

/** Longer than this is a typing mistake: a hundred years. */
export const DURATION_MAX_MS = 36_525 * 86_400_000;

/** Parses `1h30m` to milliseconds. Throws a Fault that names the field. */
export function parseDuration(text: string, field: string): Millis {
  const match = text.length > 0 && text.length <= 64 ? PATTERN.exec(text) : null;
  if (!match) {
    throw fieldFault(
      field,
      `${shown(text)} is not a duration.`,
      'Write it like "30s", "5m", "1h30m" or "2d".',
    );
  }
  const ms = UNITS.reduce((sum, [, unitMs], i) => sum + Number(match[i + 1] ?? 0) * unitMs, 0);
  if (ms > DURATION_MAX_MS) throw fieldFault(field, `${shown(text)} is longer than a hundred years.`);
  return ms;
}

/** Writes a duration the way `parseDuration` reads it: 5400000 → `1h30m`. */
export function formatDuration(ms: Millis): string {
  let left = Math.round(ms);
  if (left <= 0) return "0s";
  let text = "";
  for (const [unit, unitMs] of UNITS) {
    if (unit === "w") continue; // Nobody reads "1w2d" as nine days.
    const count = Math.floor(left / unitMs);
    if (count > 0) text += `${count}${unit}`;
    left -= count * unitMs;
  }
  return text;
}
