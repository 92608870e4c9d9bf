/**
 * Terms: which definition each cursor followed from where on. They are written with
 * every step that changes it, at the cursor's own position: a clock that was set
 * moves neither. The occurrences of the past are those of the terms, and nothing else.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import type { Spec } from "../../schedule/schedule.ts";
import type { Term } from "../../schedule/terms.ts";
import type { CursorHistory } from "../ledger.ts";
import { readPolicy } from "./schedule-row.ts";

type Values = Record<string, string | number | null>;

/** A term, with its definition and where its cursor stands; null where there is none. */
interface TermRow {
  node: string;
  since: number;
  tzdata: string;
  /** NULL: nothing is planned. One that is not there any more: nobody knows what was. */
  revision: number | null;
  spec: string | null;
  timezone: string;
  anchor: number;
  policy: string;
  accounted_until: number | null;
  due_at: number | null;
}

export class Terms {
  readonly #tzdata: string;
  readonly #begin: Statement<unknown, [Values]>;
  readonly #history: Statement<TermRow, [Values]>;

  constructor(db: Database, tzdata: string) {
    this.#tzdata = tzdata;
    this.#begin = db.prepare(BEGIN);
    this.#history = db.prepare(HISTORY);
  }

  /** From after `since` on the cursor follows this revision; null: nothing is planned for it. */
  begin(id: string, node: string, { since, revision }: { since: Millis; revision: number | null }): void {
    this.#begin.run({ id, node, since, revision, tzdata: this.#tzdata });
  }

  /** What each cursor of a schedule followed. */
  history(id: string): CursorHistory[] {
    const byNode = Map.groupBy(this.#history.all({ id }), ({ node }) => node);
    return [...byNode].map(([node, rows]) => ({
      node,
      accountedUntil: rows[0]?.accounted_until ?? null,
      dueAt: rows[0]?.due_at ?? null,
      terms: rows.map(readTerm),
    }));
  }
}

/**
 * Begins a term for all that depends on the rules of a zone, if this program has other
 * ones than the program before it, and has those cursors looked at: their next run may
 * have moved. What was decided until now was decided by the rules of then.
 */
export function followTimezoneData(db: Database, { tzdata, now }: { tzdata: string; now: Millis }): void {
  const known = db.query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'tzdata'").get();
  if (known?.value === tzdata) return;
  db.transaction(() => {
    db.query<unknown, Values>(FOLLOW_TZDATA).run({ tzdata });
    db.query<unknown, Values>(LOOK_AGAIN).run({ now });
    db.query<unknown, Values>(NOTE_TZDATA).run({ tzdata });
  })();
}

function readTerm({ since, tzdata, revision, spec, timezone, anchor, policy }: TermRow): Term {
  if (spec === null) return { since, tzdata, definition: null, forgotten: revision !== null };
  const definition = { spec: JSON.parse(spec) as Spec, timezone, anchor, policy: readPolicy(policy) };
  return { since, tzdata, definition, forgotten: false };
}

// A term that goes on as it was is none; of two that begin at one position, the later one holds.
const BEGIN = `
  INSERT INTO schedule_term (schedule_id, node, since, revision, tzdata)
  SELECT $id, $node, $since, $revision, $tzdata
   WHERE $revision IS NOT (
           SELECT revision
             FROM schedule_term
            WHERE schedule_id = $id
              AND node        = $node
            ORDER BY since DESC
            LIMIT 1)
  ON CONFLICT (schedule_id, node, since) DO UPDATE
     SET revision = excluded.revision,
         tzdata   = excluded.tzdata`;

const HISTORY = `
  SELECT t.node, t.since, t.tzdata, t.revision, r.spec, r.timezone, r.anchor, r.policy, c.accounted_until, c.due_at
    FROM schedule_term t
    LEFT JOIN schedule_revision r ON r.schedule_id = t.schedule_id AND r.revision = t.revision
    LEFT JOIN schedule_cursor c ON c.schedule_id = t.schedule_id AND c.node = t.node
   WHERE t.schedule_id = $id
   ORDER BY t.node, t.since`;

const FOLLOW_TZDATA = `
  INSERT INTO schedule_term (schedule_id, node, since, revision, tzdata)
  SELECT c.schedule_id, c.node, c.accounted_until, t.revision, $tzdata
    FROM schedule_cursor c
    JOIN schedule s ON s.id = c.schedule_id
    JOIN schedule_term t ON t.schedule_id = c.schedule_id AND t.node = c.node
   WHERE s.timezone <> 'UTC'
     AND t.revision IS NOT NULL
     AND t.since = (
           SELECT MAX(since)
             FROM schedule_term
            WHERE schedule_id = c.schedule_id
              AND node        = c.node)
  ON CONFLICT (schedule_id, node, since) DO UPDATE
     SET tzdata = excluded.tzdata`;

const LOOK_AGAIN = `
  UPDATE schedule_cursor
     SET due_at = MIN(due_at, $now)
   WHERE due_at IS NOT NULL
     AND schedule_id IN (SELECT id FROM schedule WHERE timezone <> 'UTC' AND state = 'active')`;

const NOTE_TZDATA = `
  INSERT INTO meta (key, value)
  VALUES ('tzdata', $tzdata)
  ON CONFLICT (key) DO UPDATE
     SET value = excluded.value`;
