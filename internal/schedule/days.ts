/**
 * Days: the Gregorian calendar as arithmetic on whole numbers. A day is counted
 * from 1970-01-01, a month from January of year 0. `Date` could do this too, but
 * ten times slower, and it reads years below 100 as 1900 and later.
 *
 * A month has one of 28 *shapes*: four lengths times seven weekdays to begin
 * with. What an expression says about days depends on nothing else.
 */

export const SECONDS_PER_DAY = 86_400;
/** Occurrences lie in the years 0 to 9999, in UTC: beyond, dates no longer sort as text. */
export const SECOND_MIN = -62_167_219_200;
export const SECOND_MAX = 253_402_300_799;
export const MONTH_SHAPES = 28;

const DAYS_PER_ERA = 146_097; // 400 years: the calendar repeats after them.
const DAYS_BEFORE_1970 = 719_468; // From 0000-03-01, where an era begins.

/** The month that a day lies in, as `year * 12 + month`, January being 0. */
export function monthOf(day: number): number {
  const shifted = day + DAYS_BEFORE_1970;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const yearOfEra = Math.trunc(
    (dayOfEra -
      Math.trunc(dayOfEra / 1_460) +
      Math.trunc(dayOfEra / 36_524) -
      Math.trunc(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.trunc(yearOfEra / 4) - Math.trunc(yearOfEra / 100));
  const monthFromMarch = Math.trunc((5 * dayOfYear + 2) / 153);
  return (era * 400 + yearOfEra) * 12 + monthFromMarch + 2;
}

/** The first day of a month. */
export function firstDayOf(month: number): number {
  const fromMarch = month - 2; // The leap day comes last in a year that begins in March.
  const year = Math.floor(fromMarch / 12);
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const dayOfYear = Math.trunc((153 * (fromMarch - year * 12) + 2) / 5);
  const dayOfEra = yearOfEra * 365 + Math.trunc(yearOfEra / 4) - Math.trunc(yearOfEra / 100) + dayOfYear;
  return era * DAYS_PER_ERA + dayOfEra - DAYS_BEFORE_1970;
}

/** The shape of a month, given its first day and the first day of the month after. */
export function shapeOf(firstDay: number, nextFirstDay: number): number {
  return shape(nextFirstDay - firstDay, weekdayOf(firstDay));
}

/** The number of a shape: `length` is 28 to 31, `firstWeekday` 0 (Sunday) to 6. */
export function shape(length: number, firstWeekday: number): number {
  return (length - 28) * 7 + firstWeekday;
}

/** The weekday of a day, Sunday being 0. */
export function weekdayOf(day: number): number {
  const remainder = (day + 4) % 7; // 1970-01-01 was a Thursday.
  return remainder < 0 ? remainder + 7 : remainder;
}
