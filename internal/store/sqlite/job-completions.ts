/**
 * JobCompletions: jobs that complete and whose end concerns no other job, many to a
 * statement: that is what most jobs do, and one by one it took twice as long.
 *
 * They are found by their row, and held against id and fence like any other. Where one
 * is no longer whose answer this is, the statement does not say which: then nothing of the
 * group stands, and in its second try each is written alone.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import type { Settlement } from "../../job/outcome.ts";
import type { Values } from "./job-sql.ts";

type Value = Values[string];

const ROWS = [64, 8] as const; // Of a statement; fewer are not worth it.

export class JobCompletions {
  readonly #statements: readonly { rows: number; statement: Statement<unknown, Value[]> }[];

  constructor(db: Database) {
    this.#statements = ROWS.map((rows) => ({ rows, statement: db.prepare(completeSql(rows)) }));
  }

  /** Writes as many as fill statements, and gives them. Throws when one of them is not the holder of its job any more. */
  write(settlements: readonly Settlement[], now: Millis): readonly Settlement[] {
    let written = 0;
    for (const { rows, statement } of this.#statements) {
      for (; settlements.length - written >= rows; written += rows) {
        const { changes } = statement.run(...valuesOf(settlements.slice(written, written + rows), now));
        if (changes !== rows) throw new Error(`${rows - changes} of ${rows} jobs are no longer held.`);
      }
    }
    return settlements.slice(0, written);
  }
}

/** True when nothing has to be written but that the job has completed, and what came of it. */
export function isPlain(settlement: Settlement): boolean {
  const { state, error, past, concurrencyKey, budgeted, followed } = settlement;
  return (
    state === "completed" &&
    error === null &&
    past === null &&
    concurrencyKey === null &&
    !budgeted &&
    !followed
  );
}

function valuesOf(settlements: readonly Settlement[], now: Millis): Value[] {
  const values: Value[] = [now];
  for (const one of settlements) {
    values.push(one.seq, one.id, one.fence, one.attempt, one.lost, one.costActual);
    values.push(one.pluginVersion, one.pluginDigest, one.result);
  }
  return values;
}

function completeSql(rows: number): string {
  const row = (n: number) => Array.from({ length: 9 }, (_, column) => `?${2 + 9 * n + column}`).join(", ");
  return `
  WITH ended (number, name, held, attempts, losses, cost, version, digest, answer) AS (
    VALUES ${Array.from({ length: rows }, (_, n) => `(${row(n)})`).join(",\n           ")})
  UPDATE job
     SET state          = 'completed',
         finished_at    = ?1,
         boot_id        = NULL,
         attempt        = attempts,
         lost           = losses,
         suspect        = 0,
         error          = NULL,
         result         = answer,
         cost_actual    = MAX(cost_actual, cost),
         plugin_version = version,
         plugin_digest  = digest
    FROM ended
   WHERE seq   = number
     AND id    = name
     AND state = 'running'
     AND fence = held`;
}
