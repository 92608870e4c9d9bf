/** Window: how many may happen within any span of a length. It slides: there is no border at which it would begin anew. Pure. */
import type { Millis } from "./env.ts";

/** So many at one moment. */
export interface Happened {
  at: Millis;
  count: number;
}

/** A window, and how finely what happens in it is kept. What falls into one step counts until all of it has left. */
export interface Window {
  windowMs: Millis;
  stepMs: Millis;
}

/** The moment under which something is kept that happens now. */
export function stepAt(now: Millis, { stepMs }: Window): Millis {
  return now - (now % stepMs);
}

/** What is kept under this moment, or an earlier one, has left. */
export function leftBefore(now: Millis, { windowMs, stepMs }: Window): Millis {
  return now - windowMs - stepMs + 1;
}

/**
 * How long to wait until `wanted` more may happen; null when they may now. `happened` is what lies in the window, the
 * oldest first; what is said to be in the future, by a clock that was set back, counts as now.
 */
export function waitForRoom(
  happened: readonly Happened[],
  { limit, window, wanted }: { limit: number; window: Window; wanted: number },
  now: Millis,
): Millis | null {
  let total = totalOf(happened);
  if (total + wanted <= limit) return null;
  const longest = window.windowMs + window.stepMs - 1;
  for (const { at, count } of happened) {
    total -= count;
    if (total + wanted <= limit) return Math.min(at, now) + longest - now;
  }
  return longest;
}

/** How many that are. */
export function totalOf(happened: readonly Happened[]): number {
  return happened.reduce((sum, { count }) => sum + count, 0);
}
