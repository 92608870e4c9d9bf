/**
 * Terms: what a schedule planned in a span of time, past or to come, when its
 * definition changed in between. What lies in a blackout counts: it is an occurrence,
 * and has its row.
 */
import type { Millis } from "../base/env.ts";
import { type Definition, occurrences, planned } from "./planned.ts";
import type { Recurrence } from "./recurrence.ts";
import type { Span } from "./span.ts";

/** A span in which a cursor follows one definition: from after `since` to the next term, or to where the cursor stands. */
export interface Term {
  since: Millis;
  /** Null: nothing is planned, because the schedule is deleted, finished, or was left to other nodes. */
  definition: Definition | null;
  /** True when nobody knows any more what was planned: it was too long ago, or there were too many changes since. */
  forgotten?: boolean;
  /** The time zone data by which its occurrences were decided. */
  tzdata: string;
}

/** From after here on it is known what a cursor planned; null: all of it is. */
export function knownAfter(terms: readonly Term[]): Millis | null {
  const last = terms.findLastIndex(({ forgotten }) => forgotten);
  return last < 0 ? null : (terms[last + 1]?.since ?? Number.MAX_SAFE_INTEGER);
}

/** How many occurrences the terms of one cursor plan in a span. */
export function countPlanned(terms: readonly Term[], span: Span): number {
  return partsOf(terms, span).reduce((sum, { plan, from, to }) => sum + plan.count(from - 1, to - 1), 0);
}

/** Those occurrences, in order. */
export function* listPlanned(terms: readonly Term[], span: Span): Generator<Millis> {
  for (const { plan, from, to } of partsOf(terms, span)) yield* occurrences(plan, { from, to });
}

/** All that a definition plans, blackouts or not. */
export function everything(definition: Definition): Recurrence {
  return planned({ ...definition, policy: { ...definition.policy, blackouts: [] } });
}

function partsOf(terms: readonly Term[], span: Span): (Span & { plan: Recurrence })[] {
  return terms.flatMap(({ since, definition }, index) => {
    const from = Math.max(span.from, since + 1);
    const to = Math.min(span.to, (terms[index + 1]?.since ?? Number.POSITIVE_INFINITY) + 1);
    return definition && from < to ? [{ plan: everything(definition), from, to }] : [];
  });
}
