/**
 * Tally: what many schedules do together: how many runs start in each minute, and how
 * many go on at once in each second. Counted in arrays, so that millions of runs cost
 * as much memory as one.
 */
import type { Millis } from "../base/env.ts";
import type { ForecastRow } from "./forecast.ts";
import type { Span } from "./span.ts";

const MINUTE: Millis = 60_000;
const HOUR: Millis = 3_600_000;
const SECOND: Millis = 1_000;

export interface BusyMinute {
  at: Millis;
  fires: number;
}

/** One hour of a span: the runs that start in it, and in its busiest minute. */
export interface BusyHour extends BusyMinute {
  peak: number;
}

export class Tally {
  readonly #span: Span;
  /** The beginning of the hour that the span begins in: minutes and hours are those of the clock. */
  readonly #begin: Millis;
  readonly #minutes: Uint32Array;
  /** By how much the number of runs that go on changes in each second. */
  readonly #changes: Int32Array;
  fires = 0;

  constructor(span: Span) {
    this.#span = span;
    this.#begin = Math.floor(span.from / HOUR) * HOUR;
    this.#minutes = new Uint32Array(Math.ceil((span.to - this.#begin) / MINUTE));
    this.#changes = new Int32Array(Math.ceil((span.to - this.#begin) / SECOND) + 1);
  }

  /** Counts a run that starts in the span. */
  add({ startsAt, endsAt }: Pick<ForecastRow, "startsAt" | "endsAt">): void {
    if (startsAt === null || endsAt === null || startsAt < this.#span.from || startsAt >= this.#span.to)
      return;
    const since = startsAt - this.#begin;
    this.fires += 1;
    bump(this.#minutes, Math.floor(since / MINUTE), 1);
    bump(this.#changes, Math.floor(since / SECOND), 1);
    // A run of no time is one for a second: two that start together are two at once.
    const end = Math.max(startsAt + 1, Math.min(endsAt, this.#span.to));
    bump(this.#changes, Math.ceil((end - this.#begin) / SECOND), -1);
  }

  /** The minutes in which most runs start, the busiest first; of equals the earliest. */
  busiest(count: number): BusyMinute[] {
    const indices = [...this.#minutes.keys()].filter((index) => this.#at(index) > 0);
    indices.sort((a, b) => this.#at(b) - this.#at(a) || a - b);
    return indices.slice(0, count).map((index) => ({
      at: this.#begin + index * MINUTE,
      fires: this.#at(index),
    }));
  }

  /** Every hour, in order. */
  hours(): BusyHour[] {
    const perHour = HOUR / MINUTE;
    return Array.from({ length: Math.ceil(this.#minutes.length / perHour) }, (_, hour) => {
      const minutes = this.#minutes.subarray(hour * perHour, (hour + 1) * perHour);
      return {
        at: this.#begin + hour * HOUR,
        fires: minutes.reduce((sum, fires) => sum + fires, 0),
        peak: minutes.reduce((most, fires) => Math.max(most, fires), 0),
      };
    });
  }

  /** The most runs that go on at once, and when that is so first; to the second. */
  mostAtOnce(): { runs: number; at: Millis | null } {
    let runs = 0;
    let most = 0;
    let at: Millis | null = null;
    this.#changes.forEach((change, second) => {
      runs += change;
      if (runs <= most) return;
      most = runs;
      at = this.#begin + second * SECOND;
    });
    return { runs: most, at };
  }

  #at(minute: number): number {
    return this.#minutes[minute] ?? 0;
  }
}

function bump(counts: Uint32Array | Int32Array, index: number, by: number): void {
  counts[index] = (counts[index] ?? 0) + by;
}
