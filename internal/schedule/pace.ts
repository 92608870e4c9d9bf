/**
 * Pace: how often a schedule really runs when its runs take longer than the time
 * between two of its occurrences. A 50 s run on a 20 s schedule meets the occurrences
 * at 20 and 40, which are skipped, and the next one that runs is at 60.
 */
import type { Millis } from "../base/env.ts";
import { type Definition, planned } from "./planned.ts";

/** What a schedule that is too slow for its interval does instead. */
export interface Pace {
  /** Between the occurrence that was looked at and the one after it. */
  everyMs: Millis;
  /** Between that occurrence and the next one that runs. */
  effectiveMs: Millis;
  /** What its runs take, waiting and retries included. */
  tookMs: Millis;
}

export const PACE_RUNS = 5; // The median of these: one slow run is no habit.

/** The pace of a schedule whose run for an occurrence took that long; null while it keeps its interval. */
export function slowPace(
  definition: Definition,
  { occurrence, tookMs }: { occurrence: Millis; tookMs: Millis },
): Pace | null {
  const plan = planned(definition);
  const next = plan.next(occurrence);
  const free = nextFree(definition, { next, occurrence, tookMs });
  if (next === null || free === null || free <= next) return null;
  return { everyMs: next - occurrence, effectiveMs: free - occurrence, tookMs };
}

/** When the occurrence after a run can start. In the other modes no occurrence waits for a run to end by itself. */
function nextFree(
  definition: Definition,
  { next, occurrence, tookMs }: { next: Millis | null; occurrence: Millis; tookMs: Millis },
): Millis | null {
  const { overlap } = definition.policy;
  if (overlap === "skip") return planned(definition).next(occurrence + tookMs - 1);
  const waits = overlap === "buffer-one" || overlap === "buffer-all";
  return waits && next !== null ? Math.max(next, occurrence + tookMs) : null;
}

/** The middle of some durations; undefined of none. */
export function median(durations: readonly Millis[]): Millis | undefined {
  return durations.toSorted((a, b) => a - b)[durations.length >> 1];
}
