/**
 * Prune oldest: removes from a table that only grows at its end. It looks at the first
 * rows alone, so it needs no index; a few whose clock was far ahead may stay among them.
 */
import type { Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import type { Pruned } from "../prune.ts";

const ROWS_PER_STEP = 500; // Some milliseconds.

/** The statement that `pruneOldest` runs. */
export function pruneOldestSql(table: "audit" | "event"): string {
  return `
  DELETE FROM ${table}
   WHERE seq IN (
           SELECT seq
             FROM (SELECT seq, at FROM ${table} ORDER BY seq LIMIT $limit + 0)
            WHERE at < $before)`;
}

/** One step, inside the caller's transaction. */
export function pruneOldest(statement: Statement<unknown, [Record<string, number>]>, before: Millis): Pruned {
  const removed = statement.run({ limit: ROWS_PER_STEP, before }).changes;
  return { removed, cursor: removed === ROWS_PER_STEP ? "more" : null };
}
