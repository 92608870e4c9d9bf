/** Compare: two accounts of one span, the forecast's and the ledger's, occurrence by occurrence. */
import type { Millis } from "../base/env.ts";
import type { ForecastRow } from "./forecast.ts";
import type { Span } from "./span.ts";
import { type Definition, occurrences, planned } from "./planned.ts";
import type { OccurrenceOutcome } from "./schedule.ts";

type Row = Pick<ForecastRow, "occurrence" | "lastOccurrence" | "count" | "outcome">;

/** An occurrence of which the two accounts say different things; null: nothing. */
export interface Difference {
  occurrence: Millis;
  forecast: OccurrenceOutcome | null;
  ledger: OccurrenceOutcome | null;
}

/** Rows that are about everything in their range, whether it lies in a blackout or not. */
const OF_EVERYTHING: readonly OccurrenceOutcome[] = ["paused", "deleted"];

/** The outcome of each occurrence of a span, by rows and ranges. */
export function outcomesOf(
  rows: readonly Row[],
  span: Span,
  definitionAt: (occurrence: Millis) => Definition | null,
): Map<Millis, OccurrenceOutcome> {
  const outcomes = new Map<Millis, OccurrenceOutcome>();
  for (const row of rows)
    for (const occurrence of instantsOf(row, span, definitionAt)) outcomes.set(occurrence, row.outcome);
  return outcomes;
}

/** Where two accounts differ, in order. */
export function differences(
  forecast: ReadonlyMap<Millis, OccurrenceOutcome>,
  ledger: ReadonlyMap<Millis, OccurrenceOutcome>,
): Difference[] {
  const instants = [...new Set([...forecast.keys(), ...ledger.keys()])].toSorted((a, b) => a - b);
  return instants.flatMap((occurrence) => {
    const said = { forecast: forecast.get(occurrence) ?? null, ledger: ledger.get(occurrence) ?? null };
    return said.forecast === said.ledger ? [] : { occurrence, ...said };
  });
}

function* instantsOf(
  { occurrence, lastOccurrence, count, outcome }: Row,
  span: Span,
  definitionAt: (occurrence: Millis) => Definition | null,
): Generator<Millis> {
  const from = Math.max(occurrence, span.from);
  const to = Math.min(lastOccurrence + 1, span.to);
  if (count === 1) {
    if (occurrence >= span.from && occurrence < span.to) yield occurrence;
    return;
  }
  const definition = definitionAt(occurrence);
  if (definition === null) return;
  const light = planned(definition);
  const all = planned({ ...definition, policy: { ...definition.policy, blackouts: [] } });
  for (const at of occurrences(all, { from, to })) {
    const dark = light.next(at - 1) !== at;
    if (OF_EVERYTHING.includes(outcome) || dark === (outcome === "blackout")) yield at;
  }
}
