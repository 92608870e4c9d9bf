/**
 * Gap: whether two occurrences of a schedule are ever closer to each other than they
 * may be. What is compared is when it fires, not how that is written: `0-59 * * * *`
 * is every minute, and so are an expression of the even and one of the odd minutes.
 *
 * All occurrences are looked at without walking through them:
 *
 *   on the wall    Which days an expression matches depends on the month, its length and
 *                  the weekday that it begins with. In the 28 years that are looked at,
 *                  every year that there can be occurs, so two expressions that ever
 *                  meet on one day, or on one day and the next, do so there. Two
 *                  occurrences belong to two expressions, or to one; so of each pair,
 *                  one such day says all.
 *   in real time   Between two changes of the clock, distances are those of the wall,
 *                  and what is asleep there only leaves gaps. So at each change of the
 *                  next 28 years, the occurrence before it and the two after it are
 *                  compared: one of them may have been moved there.
 *
 * Start, end and blackouts of a schedule only take occurrences away and are not looked at.
 */
import type { Millis } from "../base/env.ts";
import { type Cron, parseCron } from "./cron.ts";
import { firstDayOf, SECONDS_PER_DAY } from "./days.ts";
import { daysIn } from "./local.ts";
import { recurrence, type RecurrenceOptions } from "./recurrence.ts";
import { NO_SLOT } from "./slots.ts";
import { zoneOf } from "./zone.ts";

/** Longest minimum that can be asked for: it looks no further than from one day to the next. */
export const GAP_MAX_MS: Millis = 86_400_000;

const NO_TIME = 2 ** 30; // Behind every time of a day.
const YEARS = 28; // Seven weekdays times a leap year in four.
const FIRST_MONTH = 2001 * 12; // No century that is not a leap year is among them.
const MONTHS = YEARS * 12;
const HORIZON_MS: Millis = YEARS * 365.25 * 86_400_000;

/** The time between two occurrences that are closer than `minMs`, which is at most a day; null when none are. */
export function gapBelow(
  { spec, ...options }: Omit<RecurrenceOptions, "anchor">,
  minMs: Millis,
  now: Millis,
): Millis | null {
  const below = (gap: Millis) => (gap < minMs ? gap : null);
  if (spec.kind === "every") return below(spec.everyMs);
  if (spec.kind === "at") return below(closest(spec.instants));
  const crons = spec.cron.map((text) => parseCron(text, "cron"));
  return below(closestOnTheWall(crons, minMs)) ?? below(closestAtChanges({ spec, ...options }, minMs, now));
}

function closest(instants: readonly Millis[]): Millis {
  const sorted = instants.toSorted((a, b) => a - b);
  return Math.min(...sorted.slice(1).map((instant, i) => instant - (sorted[i] ?? 0)));
}

/** The days that an expression matches, of each month that is looked at and the one after; bit 0 is the first. */
type Days = readonly number[];

/** An expression on the wall. */
interface OnWall {
  days: Days;
  /** The seconds of a day at which it matches, on each day that it does, and then NO_TIME. */
  times: Int32Array;
}

/** A gap below `minMs` between two local times at which any of the expressions match; Infinity when there is none. */
function closestOnTheWall(crons: readonly Cron[], minMs: Millis): Millis {
  const before: OnWall[] = [];
  for (const cron of crons) {
    const one = { days: daysOf(cron), times: timesOf(cron) };
    for (const other of [one, ...before]) {
      const gap = closestOfTwo(one, other, minMs);
      if (gap < minMs) return gap;
    }
    before.push(one);
  }
  return Infinity;
}

function closestOfTwo(one: OnWall, other: OnWall, minMs: Millis): Millis {
  const sameDay = shareADay(one.days, other.days) ? closestOnADay(one, other, minMs) : Infinity;
  return sameDay < minMs ? sameDay : Math.min(overnight(one, other), overnight(other, one));
}

function timesOf({ hours, minutes, seconds }: Cron): Int32Array {
  const times: number[] = [];
  for (let hour = hours.first; hour !== NO_SLOT; hour = hours.atLeast(hour + 1))
    for (let minute = minutes.first; minute !== NO_SLOT; minute = minutes.atLeast(minute + 1))
      for (let second = seconds.first; second !== NO_SLOT; second = seconds.atLeast(second + 1))
        times.push(hour * 3_600 + minute * 60 + second);
  times.push(NO_TIME);
  return Int32Array.from(times);
}

function daysOf(cron: Cron): Days {
  return Array.from({ length: MONTHS + 1 }, (_, i) => {
    const month = FIRST_MONTH + i;
    return daysIn(cron, month, firstDayOf(month), firstDayOf(month + 1));
  });
}

/** The days before those that match: the last day of a month is before the first of the next. */
function shifted(days: number, index: number, all: Days): number {
  const month = FIRST_MONTH + index;
  const length = firstDayOf(month + 1) - firstDayOf(month);
  const nextFirst = (all[index + 1] ?? 0) & 1;
  return (days >>> 1) | (nextFirst << (length - 1));
}

/** True when some day is in both. */
function shareADay(one: Days, other: Days): boolean {
  for (let i = 0; i < MONTHS; i++) if (((one[i] ?? 0) & (other[i] ?? 0)) !== 0) return true;
  return false;
}

/** A gap below `minMs` between two times of a day on which both match. There are at most 86,400, for each of 136 pairs. */
function closestOnADay({ times: a }: OnWall, { times: b }: OnWall, minMs: Millis): Millis {
  const min = minMs / 1_000;
  let last = -NO_TIME;
  for (let [i, j] = [0, 0]; ;) {
    const [one, other] = [a[i] ?? NO_TIME, b[j] ?? NO_TIME];
    const at = one < other ? one : other;
    if (at === NO_TIME) return Infinity;
    if (at - last < min) return (at - last) * 1_000;
    if (one === at) i++;
    if (other === at) j++;
    last = at;
  }
}

/** From the last time of a day to the first of the next, where there are such days. */
function overnight(before: OnWall, after: OnWall): Millis {
  if (!shareADay(before.days, after.days.map(shifted))) return Infinity;
  const [last = 0, first = 0] = [before.times.at(-2), after.times[0]];
  return (SECONDS_PER_DAY + first - last) * 1_000;
}

/** The shortest gap at a change of the clock, as far as it is below `minMs`. */
function closestAtChanges(options: Omit<RecurrenceOptions, "anchor">, minMs: Millis, now: Millis): Millis {
  const plan = recurrence({ ...options, anchor: now });
  const zone = zoneOf(options.timezone);
  let shortest = Infinity;
  for (
    let change = zone.stretchAt(now).until;
    change < now + HORIZON_MS;
    change = zone.stretchAt(change).until
  ) {
    const first = plan.next(change - 1);
    const before = plan.latest(change - minMs, change - 1);
    const second = first === null ? null : plan.next(first);
    if (first !== null && before !== null) shortest = Math.min(shortest, first - before);
    if (first !== null && second !== null) shortest = Math.min(shortest, second - first);
  }
  return shortest;
}
