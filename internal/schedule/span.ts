/** Spans: stretches of time, from one instant up to another that is not part of it. */
import type { Millis } from "../base/env.ts";

export interface Span {
  from: Millis;
  to: Millis;
}

/** Spans in order, those that touch or overlap as one. What else the two say, `both` makes of them. */
export function merged<S extends Span>(spans: readonly S[], both: (first: S, next: S) => S): S[] {
  const whole: S[] = [];
  for (const next of spans.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    const last = whole.at(-1);
    if (!last || next.from > last.to) whole.push(next);
    else whole.splice(-1, 1, { ...both(last, next), from: last.from, to: Math.max(last.to, next.to) });
  }
  return whole;
}
