/**
 * Cron recurrence: one or more cron expressions in one time zone, joined: an
 * occurrence of any is an occurrence, and two at one instant are one.
 *
 * Where the clocks change, cronie's rule holds. An expression with a second, minute
 * or hour field that begins with `*` follows elapsed time: it runs at every instant
 * whose time on the wall matches. Any other is *fixed*: it names times of day.
 *
 *   gap, up to 3 h    fixed times in it run once, at the first instant after it
 *   fold, up to 3 h   fixed times in it run in the first pass only
 *   larger jumps      a calendar was changed: nothing is made up, nothing held back
 *
 * The zone gives stretches of one offset, so all that is left of this is where in a
 * stretch a fixed expression is awake, and whether it runs at the very start.
 */
import type { Millis } from "../base/env.ts";
import { type Cron, parseCron } from "./cron.ts";
import { SECOND_MAX, SECOND_MIN } from "./days.ts";
import { countJoined } from "./joined.ts";
import { firstMatch, lastMatch } from "./local.ts";
import { Memo } from "./memo.ts";
import type { Recurrence, RecurrenceOptions } from "./recurrence.ts";
import { type Stretch, type Zone, zoneOf } from "./zone.ts";

/**
 * A jump of the wall clock beyond this is a change of calendar, not of summer time.
 * cronie says the same, but counts one minute more, so that a gap of exactly three
 * hours (Casey, 2020) makes nothing up there; here it does.
 */
export const JUMP_MAX_MS = 3 * 3_600_000;

const CRONS_MAX = 4_096; // Up to 3 KB each. Beyond it, reading one again costs some microseconds.
const crons = new Memo<string, Cron>(CRONS_MAX, (text) => parseCron(text, "cron"));

/** When any of some expressions fires, in one zone. */
export class CronRecurrence implements Recurrence {
  readonly #crons: readonly Cron[];
  readonly #zone: Zone;
  readonly #gap: RecurrenceOptions["dstGap"];
  readonly #fold: RecurrenceOptions["dstFold"];

  constructor(
    expressions: readonly string[],
    { timezone, dstGap, dstFold }: Omit<RecurrenceOptions, "spec" | "anchor">,
  ) {
    this.#crons = expressions.map((text) => crons.get(text));
    this.#zone = zoneOf(timezone);
    this.#gap = dstGap;
    this.#fold = dstFold;
  }

  next(after: Millis): Millis | null {
    const from = firstSecondAfter(after);
    let next = SECOND_MAX + 1;
    for (const cron of this.#crons) next = Math.min(next, this.#first(cron, from, next));
    return next <= SECOND_MAX ? next * 1_000 : null;
  }

  latest(after: Millis, until: Millis): Millis | null {
    const end = Math.min(firstSecondAfter(until), SECOND_MAX + 1);
    let from = firstSecondAfter(after);
    let latest: number | null = null;
    for (const cron of this.#crons) {
      const last = this.#last(cron, from, end);
      if (last !== -Infinity) [latest, from] = [last, last + 1];
    }
    return latest === null ? null : latest * 1_000;
  }

  count(after: Millis, until: Millis): number {
    const end = Math.min(firstSecondAfter(until), SECOND_MAX + 1);
    let count = 0;
    for (let second = firstSecondAfter(after); second < end;) {
      const stretch = this.#zone.stretchAt(second * 1_000);
      const stop = Math.min(end, stretch.until / 1_000);
      count += this.#countIn(stretch, second, stop);
      const extra = this.#crons.some((cron) => this.#makesUp(cron, stretch, second));
      if (extra && this.#countIn(stretch, second, second + 1) === 0) count++;
      second = stop;
    }
    return count;
  }

  /** The first second in [from, until) in which an expression fires, or Infinity. */
  #first(cron: Cron, from: number, until: number): number {
    if (cron.neverFires) return Infinity;
    for (let second = from; second < until;) {
      const stretch = this.#zone.stretchAt(second * 1_000);
      if (this.#makesUp(cron, stretch, second)) return second;
      const awake = this.#awake(cron.fixed, stretch);
      const offset = stretch.offset / 1_000;
      const match = firstMatch(
        cron,
        Math.max(second, awake.from) + offset,
        Math.min(until, awake.until) + offset,
      );
      if (match !== Infinity) return match - offset;
      second = stretch.until / 1_000;
    }
    return Infinity;
  }

  /** The last second in [from, until) in which an expression fires, or -Infinity. */
  #last(cron: Cron, from: number, until: number): number {
    if (cron.neverFires) return -Infinity;
    for (let end = until; end > from;) {
      const stretch = this.#zone.stretchAt((end - 1) * 1_000);
      const awake = this.#awake(cron.fixed, stretch);
      const offset = stretch.offset / 1_000;
      const match = lastMatch(cron, Math.max(from, awake.from) + offset, Math.min(end, awake.until) + offset);
      if (match !== -Infinity) return match - offset;
      end = stretch.from / 1_000;
      if (end >= from && this.#makesUp(cron, stretch, end)) return end;
    }
    return -Infinity;
  }

  /** How many seconds of [from, until), which lies in one stretch, match at least one expression that is awake. */
  #countIn(stretch: Stretch, from: number, until: number): number {
    const wild = this.#crons.filter((cron) => !cron.fixed);
    const awake = this.#awake(true, stretch);
    const begin = Math.min(Math.max(from, awake.from), until);
    const end = Math.max(Math.min(until, awake.until), begin);
    const offset = stretch.offset / 1_000;
    return (
      countJoined(wild, from + offset, begin + offset) +
      countJoined(this.#crons, begin + offset, end + offset) +
      countJoined(wild, end + offset, until + offset)
    );
  }

  /** The seconds of a stretch in which an expression fires whenever the wall matches. */
  #awake(
    fixed: boolean,
    { from, until, offset, offsetBefore, offsetAfter }: Stretch,
  ): { from: number; until: number } {
    const asleepFirst = fixed && this.#fold === "first" ? jump(offsetBefore - offset) : 0;
    const asleepLast = fixed && this.#fold === "second" ? jump(offset - offsetAfter) : 0;
    return { from: (from + asleepFirst) / 1_000, until: (until - asleepLast) / 1_000 };
  }

  /** Whether a second is the first after a gap in which a fixed expression names a time. */
  #makesUp(cron: Cron, { from, offset, offsetBefore }: Stretch, second: number): boolean {
    if (from !== second * 1_000 || !cron.fixed || this.#gap === "skip") return false;
    if (jump(offset - offsetBefore) === 0) return false;
    return firstMatch(cron, (from + offsetBefore) / 1_000, (from + offset) / 1_000) !== Infinity;
  }
}

function firstSecondAfter(instant: Millis): number {
  return Math.max(SECOND_MIN, Math.floor(instant / 1_000) + 1);
}

/** How far the wall clock jumped, if it is such a jump that our rules are about. */
function jump(distance: Millis): Millis {
  return distance > 0 && distance <= JUMP_MAX_MS ? distance : 0;
}
