/**
 * Ledger pruning: removes old rows of the ledger, schedule by schedule in the order of
 * the table, so that no index is needed for it. What was removed is a horizon: verify
 * begins there.
 *
 * A row that is open stays, and so does one whose job has not ended, or ended less long
 * ago: the two tell one story.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import { noCursor } from "./page.ts";

const ROWS_PER_STEP = 300; // Some milliseconds, with a look at each job.
const SCHEDULES_PER_STEP = 300; // So many that have nothing old, also some milliseconds.
const STEP_MS_MAX: Millis = 5; // On a slow disk fewer.

type Values = Record<string, string | number>;

/** Where a step goes on: in a schedule, from an occurrence on. */
interface Position {
  id: string;
  occurrence: Millis;
}

export class LedgerPruning {
  readonly #env: Env;
  readonly #noteHorizon: Statement<unknown, [Values]>;
  readonly #scheduleAfter: Statement<{ id: string | null }, [Values]>;
  readonly #boundary: Statement<{ occurrence: number }, [Values]>;
  readonly #remove: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database) {
    this.#env = env;
    this.#noteHorizon = db.prepare(NOTE_HORIZON);
    this.#scheduleAfter = db.prepare("SELECT MIN(schedule_id) AS id FROM occurrence WHERE schedule_id > $id");
    this.#boundary = db.prepare(BOUNDARY);
    this.#remove = db.prepare(REMOVE);
  }

  /** One step, inside the caller's transaction. */
  step({ before, cursor }: PruneRequest): Pruned {
    this.#noteHorizon.run({ before });
    const until = this.#env.mono() + STEP_MS_MAX;
    let at = cursor === undefined ? this.#scheduleBehind("") : readPosition(cursor);
    let removed = 0;
    for (let seen = 0; at && seen < SCHEDULES_PER_STEP; seen++) {
      const boundary = this.#boundary.get({ ...at, before, rows: ROWS_PER_STEP })?.occurrence ?? null;
      removed += this.#remove.run({ ...at, before, boundary: boundary ?? before }).changes;
      at = boundary === null ? this.#scheduleBehind(at.id) : { id: at.id, occurrence: boundary };
      if (removed >= ROWS_PER_STEP || boundary !== null || this.#env.mono() >= until) break;
    }
    return { removed, cursor: at && `${at.id}@${at.occurrence}` };
  }

  #scheduleBehind(id: string): Position | null {
    const next = this.#scheduleAfter.get({ id })?.id ?? null;
    return next === null ? null : { id: next, occurrence: Number.MIN_SAFE_INTEGER };
  }
}

function readPosition(cursor: string): Position {
  const [, id, occurrence] = /^(.*)@(-?\d{1,16})$/.exec(cursor) ?? [];
  if (id === undefined || occurrence === undefined) throw noCursor(cursor);
  return { id, occurrence: Number(occurrence) };
}

const NOTE_HORIZON = `
  INSERT INTO meta (key, value)
  VALUES ('ledger_horizon', CAST($before AS TEXT))
  ON CONFLICT (key) DO UPDATE
     SET value = CAST(MAX(CAST(value AS INTEGER), $before) AS TEXT)`;

const BOUNDARY = `
  SELECT occurrence
    FROM occurrence
   WHERE schedule_id = $id
     AND occurrence >= $occurrence
     AND occurrence < $before
   ORDER BY occurrence
   LIMIT 1
  OFFSET $rows`;

const REMOVE = `
  DELETE FROM occurrence
   WHERE schedule_id = $id
     AND occurrence >= $occurrence
     AND occurrence < $boundary
     AND last_occurrence < $before
     AND outcome <> 'pending'
     AND NOT EXISTS (
           SELECT 1
             FROM job
            WHERE id = occurrence.job_id
              AND (finished_at IS NULL OR finished_at >= $before))`;
