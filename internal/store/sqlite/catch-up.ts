/**
 * CatchUp: when runs may start that are made up for. A host that comes back after an
 * hour owes one to each of its schedules: they start some milliseconds apart, and all
 * within a minute, because who waits longer has its next occurrences skipped.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import { MISSED_AFTER_MS } from "../../schedule/schedule.ts";

const SPACING_MS: Millis = 10;
const SPREAD_MAX_MS: Millis = 60_000;
const COUNT_EVERY_MS: Millis = 1_000; // To count a hundred thousand takes some milliseconds.

export class CatchUp {
  readonly #missed: Statement<{ count: number }, [Record<string, string | number>]>;
  /** When the next one may start. */
  #nextAt: Millis = 0;
  #spacingMs: Millis = SPACING_MS;
  #countedAt: Millis = 0;
  /** The clock when it was asked last. */
  #askedAt: Millis = 0;

  constructor(db: Database) {
    this.#missed = db.prepare(MISSED);
  }

  /** When the next run of this node that is made up for may start. */
  next(node: string, now: Millis): Millis {
    if (now < this.#askedAt) [this.#nextAt, this.#countedAt] = [now, 0]; // A clock that went back holds up nobody.
    this.#askedAt = now;
    if (this.#nextAt <= now) this.#begin(node, now);
    const at = this.#nextAt;
    this.#nextAt += this.#spacingMs;
    return Math.floor(at);
  }

  #begin(node: string, now: Millis): void {
    this.#nextAt = now;
    if (now - this.#countedAt < COUNT_EVERY_MS) return;
    this.#countedAt = now;
    const count = this.#missed.get({ node, until: now - MISSED_AFTER_MS })?.count ?? 0;
    this.#spacingMs = Math.min(SPACING_MS, SPREAD_MAX_MS / Math.max(1, count));
  }
}

const MISSED = `
  SELECT COUNT(*) AS count
    FROM schedule_cursor
   WHERE node   = $node
     AND due_at IS NOT NULL
     AND due_at < $until`;
