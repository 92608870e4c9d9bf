/** Window: how many may happen within any span of a length that ends now. Pure, and exact: what happened is kept with its moment. */
import type { Millis } from "./env.ts";

/** So many at one moment. */
export interface Happened {
  at: Millis;
  count: number;
}

/**
 * How long to wait until one more may happen; null when it may now. `happened` is what lies in the window, the oldest
 * first; what is said to be in the future, by a clock that was set back, counts as now.
 */
export function waitForRoom(
  happened: readonly Happened[],
  { limit, windowMs }: { limit: number; windowMs: Millis },
  now: Millis,
): Millis | null {
  let total = happened.reduce((sum, { count }) => sum + count, 0);
  if (total < limit) return null;
  for (const { at, count } of happened) {
    total -= count;
    if (total < limit) return Math.min(at, now) + windowMs - now;
  }
  return windowMs;
}
