/**
 * Plan: all that a definition ever plans, between its start and its end. Blackouts
 * are part of it: what lies in one is an occurrence, with an outcome of its own.
 */
import type { Millis } from "../base/env.ts";
import { type Recurrence, recurrence } from "./recurrence.ts";
import type { Policy, Spec } from "./schedule.ts";

/** What decides when a schedule fires. */
export interface Definition {
  spec: Spec;
  timezone: string;
  anchor: Millis;
  policy: Policy;
}

/** The occurrences of a definition from its start to its end. Throws when it cannot be evaluated. */
export function planOf({ spec, timezone, anchor, policy }: Definition): Recurrence {
  const { dstGap, dstFold, startAt, endAt } = policy;
  const every = recurrence({ spec, timezone, anchor, dstGap, dstFold });
  return startAt === null && endAt === null ? every : new BoundedRecurrence(every, policy);
}

class BoundedRecurrence implements Recurrence {
  readonly #inner: Recurrence;
  readonly #after: Millis;
  readonly #end: Millis;

  constructor(inner: Recurrence, { startAt, endAt }: Pick<Policy, "startAt" | "endAt">) {
    this.#inner = inner;
    this.#after = (startAt ?? Number.NEGATIVE_INFINITY) - 1;
    this.#end = endAt ?? Number.POSITIVE_INFINITY;
  }

  next(after: Millis): Millis | null {
    const next = this.#inner.next(Math.max(after, this.#after));
    return next === null || next > this.#end ? null : next;
  }

  count(after: Millis, until: Millis): number {
    return this.#inner.count(Math.max(after, this.#after), Math.min(until, this.#end));
  }

  latest(after: Millis, until: Millis): Millis | null {
    return this.#inner.latest(Math.max(after, this.#after), Math.min(until, this.#end));
  }
}
