/**
 * Retry: how long a job waits before its next try. One text says it on every face,
 * and is how it is shown again:
 *
 *   exponential:2s..10m    2 s, then 4, 8 … up to 10 m, each an eighth shorter or longer by chance
 *   linear:10s..5m         10 s, then 20, 30 … up to 5 m
 *   fixed:30s              30 s each time
 *   list:1s,10s,5m         one after the other; the last one again where tries are left
 *
 * How many tries there are is said elsewhere (`maxAttempts`). Pure.
 */
import { formatDuration, parseDuration } from "./duration.ts";
import type { Millis } from "./env.ts";
import { type Fault, fieldFault, shown } from "./fault.ts";

export type RetryPolicy =
  | { kind: "exponential" | "linear" | "fixed"; baseMs: Millis; maxMs: Millis }
  | { kind: "list"; delaysMs: readonly Millis[] };

export const RETRY_DELAY_MAX_MS: Millis = 7 * 86_400_000; // A job that waits longer is a schedule.
export const RETRY_LIST_MAX = 100; // As many as a job may have tries.
export const RETRY_TEXT_CHARS_MAX = 1_500; // A list of that length.
export const RETRY_DEFAULT: RetryPolicy = { kind: "exponential", baseMs: 2_000, maxMs: 600_000 };

/** The longest wait where only the first is given. */
const MAX_DEFAULT_MS: Millis = 600_000;

/** The wait before try number `attempt + 1`. `random` is in [0, 1). */
export function retryDelay(policy: RetryPolicy, attempt: number, random: number): Millis {
  const failed = Math.max(1, attempt);
  switch (policy.kind) {
    case "fixed":
      return policy.baseMs;
    case "linear":
      return Math.min(policy.maxMs, policy.baseMs * failed);
    case "list":
      return policy.delaysMs[Math.min(failed, policy.delaysMs.length) - 1] ?? 0;
    case "exponential": {
      const delay = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(30, failed - 1));
      return Math.round(delay * (0.875 + random / 4)); // So that those who failed together do not come back together.
    }
  }
}

/** Reads `fixed:30s` and its like. Throws a Fault that names the field. */
export function parseRetry(text: string, field: string): RetryPolicy {
  if (text.length > RETRY_TEXT_CHARS_MAX) throw noRetry(text, field);
  const colon = text.indexOf(":");
  const [kind, rest] = colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
  if (kind === "list") return { kind, delaysMs: parseList(rest, text, field) };
  if (kind === "exponential" && rest === "") return RETRY_DEFAULT;
  if (rest === "") throw noRetry(text, field);
  if (kind === "fixed") {
    const baseMs = parseDelay(rest, field);
    return { kind, baseMs, maxMs: baseMs };
  }
  if (kind === "exponential" || kind === "linear") return { kind, ...parseRange(rest, field) };
  throw noRetry(text, field);
}

/** Writes a policy the way `parseRetry` reads it. */
export function formatRetry(policy: RetryPolicy): string {
  if (policy.kind === "list") return `list:${policy.delaysMs.map(formatDuration).join(",")}`;
  const base = formatDuration(policy.baseMs);
  return policy.kind === "fixed"
    ? `fixed:${base}`
    : `${policy.kind}:${base}..${formatDuration(policy.maxMs)}`;
}

function parseList(rest: string, text: string, field: string): Millis[] {
  const delays = rest === "" ? [] : rest.split(",");
  if (delays.length === 0) throw noRetry(text, field);
  if (delays.length > RETRY_LIST_MAX)
    throw fieldFault(field, `has ${delays.length} waits; at most ${RETRY_LIST_MAX} are allowed.`);
  return delays.map((delay) => parseDelay(delay, field));
}

function parseRange(rest: string, field: string): { baseMs: Millis; maxMs: Millis } {
  const dots = rest.indexOf("..");
  const baseMs = parseDelay(dots < 0 ? rest : rest.slice(0, dots), field);
  const maxMs = dots < 0 ? Math.max(baseMs, MAX_DEFAULT_MS) : parseDelay(rest.slice(dots + 2), field);
  if (maxMs >= baseMs) return { baseMs, maxMs };
  throw fieldFault(
    field,
    `the longest wait, ${formatDuration(maxMs)}, is less than the first, ${formatDuration(baseMs)}.`,
    'Write the shorter one first, like "exponential:2s..10m".',
  );
}

function parseDelay(text: string, field: string): Millis {
  const ms = parseDuration(text, field);
  if (ms <= RETRY_DELAY_MAX_MS) return ms;
  throw fieldFault(field, `${shown(text)} is longer than ${formatDuration(RETRY_DELAY_MAX_MS)}.`);
}

function noRetry(text: string, field: string): Fault {
  return fieldFault(
    field,
    `${shown(text)} is no retry policy.`,
    'Write it like "exponential:2s..10m", "linear:10s..5m", "fixed:30s" or "list:1s,10s,5m".',
  );
}
