/** Pages of the ledger of one schedule, from its beginning or from its end. */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import type { Occurrence } from "../../schedule/schedule.ts";
import type { Page, PageRequest } from "../page.ts";
import { noCursor, pageLimit, pageOf } from "./page.ts";
import { type OccurrenceRow, readOccurrence } from "./schedule-row.ts";

type Values = Record<string, string | number>;

export class LedgerPages {
  readonly #within: Statement<OccurrenceRow, [Values]>;
  readonly #last: Statement<OccurrenceRow, [Values]>;

  constructor(db: Database) {
    this.#within = db.prepare(LEDGER);
    this.#last = db.prepare(LEDGER_END);
  }

  /** Rows in a span, oldest first. */
  within(id: string, { from, to }: { from?: Millis; to?: Millis }, page: PageRequest): Page<Occurrence> {
    const limit = pageLimit(page);
    const after = readCursor(page.cursor ?? FIRST_CURSOR);
    const rows = this.#within.all({
      id,
      from: from ?? Number.MIN_SAFE_INTEGER,
      to: to ?? Number.MAX_SAFE_INTEGER,
      afterOccurrence: after.occurrence,
      afterNode: after.node,
      limit: limit + 1,
    });
    return pageOf(rows, limit, readOccurrence, cursorOf);
  }

  /** The last rows, oldest first. */
  last(id: string, page: PageRequest): Page<Occurrence> {
    const limit = pageLimit(page);
    const before = readCursor(page.cursor ?? LAST_CURSOR);
    const rows = this.#last.all({
      id,
      beforeOccurrence: before.occurrence,
      beforeNode: before.node,
      limit: limit + 1,
    });
    const { items, cursor } = pageOf(rows, limit, readOccurrence, cursorOf);
    return { items: items.toReversed(), cursor };
  }
}

/** Before every row of a ledger. */
const FIRST_CURSOR = `${Number.MIN_SAFE_INTEGER}@`;
const LAST_CURSOR = `${Number.MAX_SAFE_INTEGER}@`;

function cursorOf({ occurrence, node }: OccurrenceRow): string {
  return `${occurrence}@${node}`;
}

function readCursor(cursor: string): { occurrence: Millis; node: string } {
  const [, occurrence, node] = /^(-?\d{1,16})@(.*)$/.exec(cursor) ?? [];
  if (occurrence === undefined || node === undefined) throw noCursor(cursor);
  return { occurrence: Number(occurrence), node };
}

// Rows do not overlap, but for a blackout inside a range: of each node, only the last other row before `from` may
// reach into the span; without one, only the last blackout.
const LEDGER = `
  SELECT *
    FROM occurrence
   WHERE schedule_id = $id
     AND occurrence >= MAX($afterOccurrence, COALESCE((
           SELECT MIN(COALESCE(
                    (SELECT MAX(o.occurrence)
                       FROM occurrence o
                      WHERE o.schedule_id = $id
                        AND o.occurrence <= $from
                        AND o.node = c.node
                        AND o.outcome <> 'blackout'),
                    (SELECT MAX(o.occurrence)
                       FROM occurrence o
                      WHERE o.schedule_id = $id
                        AND o.occurrence <= $from
                        AND o.node = c.node)))
             FROM schedule_cursor c
            WHERE c.schedule_id = $id), $from))
     AND last_occurrence >= $from
     AND occurrence < $to
     AND (occurrence, node) > ($afterOccurrence, $afterNode)
   ORDER BY occurrence, node
   LIMIT $limit + 0`;

const LEDGER_END = `
  SELECT *
    FROM occurrence
   WHERE schedule_id = $id
     AND (occurrence, node) < ($beforeOccurrence, $beforeNode)
   ORDER BY occurrence DESC, node DESC
   LIMIT $limit + 0`;
