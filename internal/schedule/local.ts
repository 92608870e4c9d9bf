/**
 * Local: where a cron expression matches on the wall, in a world without zones.
 * A local time is a number of seconds since 1970-01-01T00:00 on that wall.
 *
 * Searching goes by month, day and time of day, each a look-up, so that a match
 * forty years away is found in about 480 steps.
 */
import type { Cron } from "./cron.ts";
import { firstDayOf, monthOf, SECONDS_PER_DAY, shapeOf } from "./days.ts";
import { NO_SLOT } from "./slots.ts";

/** The first match in [from, until), or Infinity. */
export function firstMatch(cron: Cron, from: number, until: number): number {
  if (from >= until) return Infinity;
  let day = Math.floor(from / SECONDS_PER_DAY);
  const today = from - day * SECONDS_PER_DAY;
  const time = dayMatches(cron, day) ? firstTime(cron, today) : Infinity;
  if (time === Infinity) day = firstDay(cron, day + 1, Math.ceil(until / SECONDS_PER_DAY));
  const match = day * SECONDS_PER_DAY + (time === Infinity ? firstTime(cron, 0) : time);
  return match < until ? match : Infinity;
}

/** The last match in [from, until), or -Infinity. */
export function lastMatch(cron: Cron, from: number, until: number): number {
  if (from >= until) return -Infinity;
  let day = Math.floor((until - 1) / SECONDS_PER_DAY);
  const today = until - 1 - day * SECONDS_PER_DAY;
  const time = dayMatches(cron, day) ? lastTime(cron, today) : -Infinity;
  if (time === -Infinity) day = lastDay(cron, day - 1, Math.floor(from / SECONDS_PER_DAY));
  const match = day * SECONDS_PER_DAY + (time === -Infinity ? lastTime(cron, SECONDS_PER_DAY - 1) : time);
  return match >= from ? match : -Infinity;
}

/** How many matches lie in [from, until). */
export function countMatches(cron: Cron, from: number, until: number): number {
  if (from >= until) return 0;
  const firstOfAll = Math.floor(from / SECONDS_PER_DAY);
  const lastOfAll = Math.floor(until / SECONDS_PER_DAY);
  const perDay = timesBefore(cron, SECONDS_PER_DAY);
  const before = dayMatches(cron, firstOfAll) ? timesBefore(cron, from - firstOfAll * SECONDS_PER_DAY) : 0;
  const after = dayMatches(cron, lastOfAll) ? timesBefore(cron, until - lastOfAll * SECONDS_PER_DAY) : 0;
  return countDays(cron, firstOfAll, lastOfAll) * perDay - before + after;
}

/** The matching days of a month, given its first day and that of the next month; bit 0 is the first. */
export function daysIn(cron: Cron, month: number, first: number, nextFirst: number): number {
  const monthMatches = (cron.months & (1 << (((month % 12) + 12) % 12))) !== 0;
  return monthMatches ? (cron.days[shapeOf(first, nextFirst)] ?? 0) : 0;
}

/** Whether a day matches by month, day of month and day of week. */
function dayMatches(cron: Cron, day: number): boolean {
  const month = monthOf(day);
  const first = firstDayOf(month);
  return (daysIn(cron, month, first, firstDayOf(month + 1)) & (1 << (day - first))) !== 0;
}

/** The first matching day in [from, until), or Infinity. */
function firstDay(cron: Cron, from: number, until: number): number {
  let month = monthOf(from);
  let first = firstDayOf(month);
  let skipped = from - first;
  while (first < until) {
    const nextFirst = firstDayOf(month + 1);
    const left = daysIn(cron, month, first, nextFirst) >>> skipped;
    if (left !== 0) return first + skipped + 31 - Math.clz32(left & -left);
    month++;
    first = nextFirst;
    skipped = 0;
  }
  return Infinity;
}

/** The last matching day that is neither after `from` nor before `until`, or -Infinity. */
function lastDay(cron: Cron, from: number, until: number): number {
  let month = monthOf(from);
  let first = firstDayOf(month);
  let nextFirst = firstDayOf(month + 1);
  let kept = from - first + 1;
  while (nextFirst > until) {
    const left = daysIn(cron, month, first, nextFirst) & (0xffff_ffff >>> (32 - kept));
    if (left !== 0) return first + 31 - Math.clz32(left);
    month--;
    nextFirst = first;
    first = firstDayOf(month);
    kept = 31;
  }
  return -Infinity;
}

/** How many days in [from, until) match. */
function countDays(cron: Cron, from: number, until: number): number {
  let count = 0;
  let month = monthOf(from);
  let first = firstDayOf(month);
  while (first < until) {
    const nextFirst = firstDayOf(month + 1);
    let days = daysIn(cron, month, first, nextFirst);
    if (first < from) days &= -1 << (from - first);
    if (until < nextFirst) days &= ~(-1 << (until - first));
    count += bitCount(days);
    month++;
    first = nextFirst;
  }
  return count;
}

function bitCount(bits: number): number {
  let pairs = bits - ((bits >>> 1) & 0x5555_5555);
  pairs = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** The first matching time of day that is not before `time`, in seconds, or Infinity. */
function firstTime(cron: Cron, time: number): number {
  const { hours, minutes, seconds } = cron;
  const hour = Math.trunc(time / 3_600);
  const minute = Math.trunc(time / 60) % 60;
  if (hours.has(hour)) {
    const second = minutes.has(minute) ? seconds.atLeast(time % 60) : NO_SLOT;
    if (second !== NO_SLOT) return hour * 3_600 + minute * 60 + second;
    const later = minutes.atLeast(minute + 1);
    if (later !== NO_SLOT) return hour * 3_600 + later * 60 + seconds.first;
  }
  const later = hours.atLeast(hour + 1);
  return later === NO_SLOT ? Infinity : later * 3_600 + minutes.first * 60 + seconds.first;
}

/** The last matching time of day that is not after `time`, in seconds, or -Infinity. */
function lastTime(cron: Cron, time: number): number {
  const { hours, minutes, seconds } = cron;
  const hour = Math.trunc(time / 3_600);
  const minute = Math.trunc(time / 60) % 60;
  if (hours.has(hour)) {
    const second = minutes.has(minute) ? seconds.atMost(time % 60) : -1;
    if (second >= 0) return hour * 3_600 + minute * 60 + second;
    const earlier = minutes.atMost(minute - 1);
    if (earlier >= 0) return hour * 3_600 + earlier * 60 + seconds.last;
  }
  const earlier = hours.atMost(hour - 1);
  return earlier < 0 ? -Infinity : earlier * 3_600 + minutes.last * 60 + seconds.last;
}

/** How many matching times of day are before `time`, which may be the end of the day. */
function timesBefore(cron: Cron, time: number): number {
  const { hours, minutes, seconds } = cron;
  const hour = Math.trunc(time / 3_600);
  const minute = Math.trunc(time / 60) % 60;
  let count = hours.below(hour) * minutes.count * seconds.count;
  if (hour < 24 && hours.has(hour)) {
    count += minutes.below(minute) * seconds.count;
    if (minutes.has(minute)) count += seconds.below(time % 60);
  }
  return count;
}
