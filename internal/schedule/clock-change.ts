/**
 * ClockChange: what a schedule does around a change of the clocks, beside what it does
 * at the same times of day a week before.
 */
import type { Millis } from "../base/env.ts";
import type { Span } from "./span.ts";
import { type Definition, occurrences, planned } from "./planned.ts";
import { type Zone, zoneOf } from "./zone.ts";

const WEEK: Millis = 7 * 86_400_000;
const AROUND: Millis = 3 * 3_600_000; // What the clocks skip or repeat, and what is made up for, lies in there.

/** An instant at which the clocks of a zone are changed. */
export interface Change {
  timezone: string;
  at: Millis;
  offsetBefore: Millis;
  offsetAfter: Millis;
}

/** Times on the wall, as milliseconds since 1970 as if they were UTC. */
export interface Shift {
  /** It runs then, and did not a week before. */
  added: Millis[];
  /** It ran then a week before, and does not now. */
  missing: Millis[];
}

/** The changes of a zone in a span, in order. */
export function changesIn(timezone: string, { from, to }: Span): Change[] {
  const zone = zoneOf(timezone);
  const changes: Change[] = [];
  for (let at = zone.stretchAt(from).until; at < to; at = zone.stretchAt(at).until) {
    const { offset: offsetAfter, offsetBefore } = zone.stretchAt(at);
    if (offsetAfter !== offsetBefore) changes.push({ timezone, at, offsetBefore, offsetAfter });
  }
  return changes;
}

/** What a schedule does otherwise around a change. */
export function shiftAt(definition: Definition, change: Change): Shift {
  const plan = planned(definition);
  const zone = zoneOf(change.timezone);
  const now = { from: change.at - AROUND, to: change.at + AROUND };
  // The same times on the wall, where the clocks are still what they were.
  const before = { from: now.from - WEEK, to: now.to + change.offsetAfter - change.offsetBefore - WEEK };
  const wallNow = [...occurrences(plan, now)].map((at) => wall(zone, at));
  const wallBefore = [...occurrences(plan, before)].map((at) => wall(zone, at) + WEEK);
  return { added: without(wallNow, wallBefore), missing: without(wallBefore, wallNow) };
}

function wall(zone: Zone, at: Millis): Millis {
  return at + zone.stretchAt(at).offset;
}

/** What is in one list and not in the other, each as often as it is there more often. */
function without(list: readonly Millis[], other: readonly Millis[]): Millis[] {
  const left = new Map<Millis, number>();
  for (const at of other) left.set(at, (left.get(at) ?? 0) + 1);
  return list.filter((at) => {
    const count = left.get(at) ?? 0;
    left.set(at, count - 1);
    return count <= 0;
  });
}
