/**
 * JobCompletions: jobs that complete and whose end concerns no other job, many to a
 * statement: that is what most jobs do, and one by one it took twice as long.
 *
 * Those that were claimed together, stand side by side and gave nothing, as jobs of one
 * handler mostly do, are one stretch of the table; their number, fence and the moment of
 * their claim say which claim it was. Others are found by their row, and held against id
 * and fence. Where one is no longer whose answer this is, no statement says which: then
 * nothing of the group stands, and in its second try each is written alone. So nothing has
 * to be kept for undoing one of these alone: hence OR FAIL.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import type { Settlement } from "../../job/outcome.ts";
import type { Values } from "./job-sql.ts";

type Value = Values[string];

const ROWS = [64, 8] as const; // Of a statement; fewer are not worth it.
const STRETCH_ROWS_MIN = 8;

export class JobCompletions {
  readonly stretch: Statement<unknown, Value[]>;
  readonly #statements: readonly { rows: number; statement: Statement<unknown, Value[]> }[];

  constructor(db: Database) {
    this.stretch = db.prepare(COMPLETE_STRETCH);
    this.#statements = ROWS.map((rows) => ({ rows, statement: db.prepare(completeSql(rows)) }));
  }

  /** Writes as many as fill statements, and gives them. Throws when one of them is not the holder of its job any more. */
  write(settlements: readonly Settlement[], now: Millis): readonly Settlement[] {
    const written: Settlement[] = [];
    const others: Settlement[] = [];
    for (const stretch of stretchesOf(settlements)) {
      if (stretch.length < STRETCH_ROWS_MIN) others.push(...stretch);
      else written.push(...this.#writeStretch(stretch, now));
    }
    return [...written, ...this.#writeRows(others, now)];
  }

  #writeStretch(stretch: readonly Settlement[], now: Millis): readonly Settlement[] {
    const [first, last] = [stretch[0], stretch.at(-1)];
    if (!first || !last) return stretch;
    const { pluginVersion, pluginDigest, fence, startedAt } = first;
    const values = [now, pluginVersion, pluginDigest, first.seq, last.seq, fence, startedAt];
    expectAll(this.stretch.run(...values).changes, stretch.length);
    return stretch;
  }

  #writeRows(settlements: readonly Settlement[], now: Millis): readonly Settlement[] {
    let written = 0;
    for (const { rows, statement } of this.#statements) {
      for (; settlements.length - written >= rows; written += rows) {
        const values = valuesOf(settlements.slice(written, written + rows), now);
        expectAll(statement.run(...values).changes, rows);
      }
    }
    return settlements.slice(0, written);
  }
}

function expectAll(changes: number, rows: number): void {
  if (changes !== rows) throw new Error(`${rows - changes} of ${rows} jobs are no longer held.`);
}

/** By their rows, split wherever one does not follow the one before it, or has something of its own to write. */
function stretchesOf(settlements: readonly Settlement[]): Settlement[][] {
  const stretches: Settlement[][] = [];
  let stretch: Settlement[] = [];
  let before: Settlement | null = null;
  for (const one of settlements.toSorted((a, b) => a.seq - b.seq)) {
    if (before === null || !follows(before, one)) stretches.push((stretch = []));
    stretch.push(one);
    before = one;
  }
  return stretches;
}

function follows(before: Settlement, one: Settlement): boolean {
  return (
    one.seq === before.seq + 1 &&
    one.fence === before.fence &&
    one.startedAt === before.startedAt &&
    one.pluginVersion === before.pluginVersion &&
    one.pluginDigest === before.pluginDigest &&
    gaveNothing(before) &&
    gaveNothing(one)
  );
}

function gaveNothing({ result, costActual }: Settlement): boolean {
  return result === null && costActual === 0;
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
  UPDATE OR FAIL job
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

const COMPLETE_STRETCH = `
  UPDATE OR FAIL job
     SET state          = 'completed',
         finished_at    = ?1,
         boot_id        = NULL,
         suspect        = 0,
         error          = NULL,
         result         = NULL,
         plugin_version = ?2,
         plugin_digest  = ?3
   WHERE seq BETWEEN ?4 AND ?5
     AND state      = 'running'
     AND fence      = ?6
     AND started_at = ?7`;
