/**
 * Replay: plays the recorded past of one cursor through `decide` again, with the
 * durations, absences and people of then, and holds the outcomes against the ledger.
 */
import type { Millis } from "../base/env.ts";
import { differences, type Difference, outcomesOf } from "../schedule/compare.ts";
import { forecast, type ForecastRow } from "../schedule/forecast.ts";
import type { Span } from "../schedule/span.ts";
import { endsOf, pastOf } from "../schedule/past.ts";
import type { Definition } from "../schedule/planned.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { knownAfter, type Term } from "../schedule/terms.ts";
import type { ForecastSource } from "../store/forecasts.ts";
import type { CursorHistory } from "../store/ledger.ts";

/** It begins so long before the span, to know what is open and who waits: as long as anything may wait. */
const WARM_UP_MS: Millis = 86_400_000;

export interface Replay {
  /** What the forecast says of the span. */
  rows: ForecastRow[];
  /** Occurrences of the span in the ledger. */
  recorded: number;
  differences: Difference[];
}

/** Replays a span that lies behind `now`. */
export function replay(
  source: ForecastSource,
  { id, runCount, policy }: Schedule,
  { history, span: asked, now }: { history: CursorHistory; span: Span; now: Millis },
): Replay {
  const { node, terms } = history;
  const horizons = [source.horizon(), knownAfter(terms)].map((at) => at ?? Number.MIN_SAFE_INTEGER);
  const whole = Math.max(...horizons) + 1;
  const span = {
    from: Math.max(asked.from, whole),
    to: Math.min(asked.to, (history.accountedUntil ?? now) + 1),
  };
  const begin = Math.max(span.from - WARM_UP_MS, whole);
  const recorded = source.record(id, node, { from: begin, to: now });
  const definitionAt = (at: Millis) => definitionOf(terms, at);
  const ends = endsOf(recorded);
  const runsBefore = policy.runsMax === null ? 0 : runCount - source.runsSince(id, node, begin);
  const rows: ForecastRow[] = [];
  forecast(
    {
      scheduleId: id,
      terms,
      from: begin,
      to: span.to,
      endsAt: (occurrence, startsAt) => ends.get(occurrence) ?? startsAt,
      runCount: runsBefore,
      open: source.openAt(id, node, begin),
      waiting: [],
      past: pastOf(recorded, { scheduleId: id, until: now, definitionAt }),
    },
    (row) => void rows.push(row),
  );
  const inSpan = rows.filter(
    ({ occurrence, lastOccurrence }) => lastOccurrence >= span.from && occurrence < span.to,
  );
  const ledger = outcomesOf(recorded, span, definitionAt);
  return {
    rows: inSpan,
    recorded: ledger.size,
    differences: differences(outcomesOf(inSpan, span, definitionAt), ledger),
  };
}

/** The definition that an occurrence follows. */
function definitionOf(terms: readonly Term[], occurrence: Millis): Definition | null {
  return terms.findLast(({ since }) => since < occurrence)?.definition ?? null;
}
