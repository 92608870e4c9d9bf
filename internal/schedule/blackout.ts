/**
 * Blackouts: spans in which a schedule does not fire. They look at the nominal
 * instant, and take occurrences out of the plan without moving the others.
 */
import type { Millis } from "../base/env.ts";
import type { Recurrence } from "./recurrence.ts";
import type { Blackout } from "./schedule.ts";

/** The occurrences of a recurrence that lie outside of all blackouts. */
export function outside(recurrence: Recurrence, blackouts: readonly Blackout[]): Recurrence {
  return blackouts.length === 0 ? recurrence : new OutsideRecurrence(recurrence, merged(blackouts));
}

/** Blackouts in order, those that touch or overlap as one. */
export function merged(blackouts: readonly Blackout[]): Blackout[] {
  const sorted = blackouts.toSorted((a, b) => a.from - b.from || a.to - b.to);
  const spans: Blackout[] = [];
  for (const next of sorted) {
    const last = spans.at(-1);
    if (!last || next.from > last.to) spans.push({ ...next });
    else {
      last.note = next.note === "" || next.note === last.note ? last.note : `${last.note}, ${next.note}`;
      last.to = Math.max(last.to, next.to);
    }
  }
  return spans;
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
