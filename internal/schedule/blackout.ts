/**
 * Blackouts: spans in which a schedule does not fire. They look at the nominal
 * instant, and take occurrences out of the plan without moving the others.
 */
import type { Millis } from "../base/env.ts";
import type { Recurrence } from "./recurrence.ts";
import type { Blackout } from "./schedule.ts";
import { merged } from "./span.ts";

/** The occurrences of a recurrence that lie outside of all blackouts. */
export function outside(recurrence: Recurrence, blackouts: readonly Blackout[]): Recurrence {
  return blackouts.length === 0 ? recurrence : new OutsideRecurrence(recurrence, mergedBlackouts(blackouts));
}

/** Blackouts in order, those that touch or overlap as one, with the notes of both. */
export function mergedBlackouts(blackouts: readonly Blackout[]): Blackout[] {
  return merged(blackouts, (first, next) => ({ ...first, note: bothNotes(first.note, next.note) }));
}

function bothNotes(first: string, next: string): string {
  return [...new Set([first, next])].filter((note) => note !== "").join(", ");
}

class OutsideRecurrence implements Recurrence {
  readonly #inner: Recurrence;
  readonly #blackouts: readonly Blackout[];

  constructor(inner: Recurrence, blackouts: readonly Blackout[]) {
    this.#inner = inner;
    this.#blackouts = blackouts;
  }

  next(after: Millis): Millis | null {
    let next = this.#inner.next(after);
    for (const { from, to } of this.#blackouts) {
      if (next === null || next < from) return next;
      if (next < to) next = this.#inner.next(to - 1);
    }
    return next;
  }

  count(after: Millis, until: Millis): number {
    const within = this.#blackouts.map(({ from, to }) =>
      this.#inner.count(Math.max(after, from - 1), Math.min(until, to - 1)),
    );
    return within.reduce((left, count) => left - Math.max(0, count), this.#inner.count(after, until));
  }

  latest(after: Millis, until: Millis): Millis | null {
    let latest = this.#inner.latest(after, until);
    for (const { from, to } of this.#blackouts.toReversed()) {
      if (latest === null || latest >= to) return latest;
      if (latest >= from) latest = this.#inner.latest(after, from - 1);
    }
    return latest;
  }
}
