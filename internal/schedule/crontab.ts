/**
 * Crontab: one or more cron expressions in one time zone, joined: an occurrence of
 * any is an occurrence, and two at one instant are one.
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
import { countMatches, firstMatch, lastMatch } from "./local.ts";
import { Memo } from "./memo.ts";
import type { Recurrence, RecurrenceOptions } from "./recurrence.ts";
import { type Stretch, type Zone, zoneOf } from "./zone.ts";

/** A jump of the wall clock beyond this is a change of calendar, not of summer time. cronie draws the same line. */
export const JUMP_MAX_MS = 3 * 3_600_000;

const CRONS_MAX = 4_096; // About 1.5 KB each. Beyond it, reading one again costs some microseconds.
const crons = new Memo<string, Cron>(CRONS_MAX, (text) => parseCron(text, "cron"));

/** The last second in which something may occur: the end of the year 9999. */
const SECOND_MAX = 253_402_300_799;

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
    let next = SECOND_MAX + 1;
    for (const cron of this.#crons)
      next = Math.min(next, this.#first(cron, Math.floor(after / 1_000) + 1, next));
    return next <= SECOND_MAX ? next * 1_000 : null;
  }

  count(_after: Millis, _until: Millis): number {
    throw new Error("not yet");
  }

  latest(_after: Millis, _until: Millis): Millis | null {
    throw new Error("not yet");
  }

  /** The first second in [from, until) in which an expression fires, or Infinity. */
  #first(cron: Cron, from: number, until: number): number {
    if (cron.neverFires) return Infinity;
    for (let second = from; second < until;) {
      const stretch = this.#zone.stretchAt(second * 1_000);
      if (stretch.from === second * 1_000 && this.#makesUp(cron, stretch)) return second;
      const awake = this.#awake(cron, stretch);
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

  /** The seconds of a stretch in which an expression fires whenever the wall matches. */
  #awake(
    cron: Cron,
    { from, until, offset, offsetBefore, offsetAfter }: Stretch,
  ): { from: number; until: number } {
    const first = cron.fixed && this.#fold === "first" ? jump(offsetBefore - offset) : 0;
    const second = cron.fixed && this.#fold === "second" ? jump(offset - offsetAfter) : 0;
    return { from: (from + first) / 1_000, until: (until - second) / 1_000 };
  }

  /** Whether a fixed expression names a time in the gap before a stretch, and so runs when the stretch begins. */
  #makesUp(cron: Cron, { from, offset, offsetBefore }: Stretch): boolean {
    if (!cron.fixed || this.#gap === "skip" || jump(offset - offsetBefore) === 0) return false;
    return firstMatch(cron, (from + offsetBefore) / 1_000, (from + offset) / 1_000) !== Infinity;
  }
}

/** How far the wall clock jumped, if it is such a jump that our rules are about. */
function jump(distance: Millis): Millis {
  return distance > 0 && distance <= JUMP_MAX_MS ? distance : 0;
}
