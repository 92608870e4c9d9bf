/**
 * Planned: what a schedule means to run: its recurrence within its start and end,
 * without what lies in blackouts. Pauses, missed runs and overlap are no part of it.
 */
import type { Millis } from "../base/env.ts";
import { outside } from "./blackout.ts";
import { type Recurrence, recurrence } from "./recurrence.ts";
import type { Policy, Spec } from "./schedule.ts";

/** What decides which occurrences are planned. A stored schedule is one. */
export interface Definition {
  spec: Spec;
  timezone: string;
  anchor: Millis;
  policy: Policy;
}

/** The planned occurrences of a definition. */
export function planned({ spec, timezone, anchor, policy }: Definition): Recurrence {
  const { dstGap, dstFold, startAt, endAt, blackouts } = policy;
  const plan = outside(recurrence({ spec, timezone, anchor, dstGap, dstFold }), blackouts);
  return startAt === null && endAt === null ? plan : new BoundedRecurrence(plan, { startAt, endAt });
}

/** All occurrences in [from, to). */
export function* occurrences(
  plan: Recurrence,
  { from, to }: { from: Millis; to: Millis },
): Generator<Millis> {
  for (let at = plan.next(from - 1); at !== null && at < to; at = plan.next(at)) yield at;
}

class BoundedRecurrence implements Recurrence {
  readonly #inner: Recurrence;
  readonly #after: Millis;
  readonly #until: Millis;

  constructor(inner: Recurrence, { startAt, endAt }: Pick<Policy, "startAt" | "endAt">) {
    this.#inner = inner;
    this.#after = startAt === null ? Number.NEGATIVE_INFINITY : startAt - 1;
    this.#until = endAt ?? Number.POSITIVE_INFINITY;
  }

  next(after: Millis): Millis | null {
    const next = this.#inner.next(Math.max(after, this.#after));
    return next === null || next > this.#until ? null : next;
  }

  count(after: Millis, until: Millis): number {
    const [from, to] = [Math.max(after, this.#after), Math.min(until, this.#until)];
    return to > from ? this.#inner.count(from, to) : 0;
  }

  latest(after: Millis, until: Millis): Millis | null {
    const [from, to] = [Math.max(after, this.#after), Math.min(until, this.#until)];
    return to > from ? this.#inner.latest(from, to) : null;
  }
}
