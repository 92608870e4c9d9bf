/**
 * Joined: counts the matches of several cron expressions in local time, those that
 * coincide once. Which expressions are awake is one bit each: a day, an hour and a
 * minute have a set of bits, and where all three overlap, the seconds are added up.
 * Whole days with the same set have the same count, so a long range costs a little
 * for each month and nearly nothing for each day.
 */
import type { Cron } from "./cron.ts";
import { firstDayOf, monthOf, SECONDS_PER_DAY } from "./days.ts";
import { countMatches, daysIn } from "./local.ts";
import { Slots } from "./slots.ts";

/** How many local times in [from, until) match at least one of the expressions, of which there are at most 16. */
export function countJoined(crons: readonly Cron[], from: number, until: number): number {
  const [first, ...others] = crons;
  if (!first || from >= until) return 0;
  return others.length === 0 ? countMatches(first, from, until) : new Joined(crons).count(from, until);
}

class Joined {
  readonly #crons: readonly Cron[];
  readonly #hours: readonly number[];
  readonly #minutes: readonly number[];
  readonly #seconds = new Map<number, Slots>();
  readonly #wholeDays = new Map<number, number>();

  constructor(crons: readonly Cron[]) {
    this.#crons = crons;
    this.#hours = Array.from({ length: 24 }, (_, hour) => this.#where((cron) => cron.hours.has(hour)));
    this.#minutes = Array.from({ length: 60 }, (_, minute) =>
      this.#where((cron) => cron.minutes.has(minute)),
    );
  }

  count(from: number, until: number): number {
    const lastDay = Math.floor((until - 1) / SECONDS_PER_DAY);
    let day = Math.floor(from / SECONDS_PER_DAY);
    let count = 0;
    for (let month = monthOf(day); day <= lastDay; month++) {
      const first = firstDayOf(month);
      const nextFirst = firstDayOf(month + 1);
      const days = this.#crons.map((cron) => daysIn(cron, month, first, nextFirst));
      for (; day < nextFirst && day <= lastDay; day++) {
        const awake = days.reduce((bits, mask, i) => bits | (((mask >>> (day - first)) & 1) << i), 0);
        if (awake !== 0)
          count += this.#countOn(awake, from - day * SECONDS_PER_DAY, until - day * SECONDS_PER_DAY);
      }
    }
    return count;
  }

  /** Counts on one day; the bounds may lie outside it. */
  #countOn(awake: number, from: number, until: number): number {
    if (from > 0 || until < SECONDS_PER_DAY) {
      return this.#countTimes(awake, Math.max(0, from), Math.min(until, SECONDS_PER_DAY));
    }
    const known = this.#wholeDays.get(awake) ?? this.#countTimes(awake, 0, SECONDS_PER_DAY);
    this.#wholeDays.set(awake, known);
    return known;
  }

  #countTimes(awake: number, from: number, until: number): number {
    let count = 0;
    for (let minute = Math.trunc(from / 60); minute * 60 < until; minute++) {
      const bits = awake & (this.#hours[Math.trunc(minute / 60)] ?? 0) & (this.#minutes[minute % 60] ?? 0);
      if (bits === 0) continue;
      const seconds = this.#secondsOf(bits);
      count +=
        seconds.below(Math.min(60, until - minute * 60)) - seconds.below(Math.max(0, from - minute * 60));
    }
    return count;
  }

  #secondsOf(bits: number): Slots {
    const known = this.#seconds.get(bits);
    if (known) return known;
    const chosen = new Set<number>();
    for (let second = 0; second < 60; second++) {
      if ((bits & this.#where((cron) => cron.seconds.has(second))) !== 0) chosen.add(second);
    }
    const slots = new Slots(chosen, 60);
    this.#seconds.set(bits, slots);
    return slots;
  }

  /** The set of expressions of which something is true. */
  #where(matches: (cron: Cron) => boolean): number {
    return this.#crons.reduce((bits, cron, i) => (matches(cron) ? bits | (1 << i) : bits), 0);
  }
}
