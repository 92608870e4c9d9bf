/**
 * Cron: a cron expression, read once and turned into tables that answer quickly.
 * This file knows the language; `local.ts` searches, `recurrence.ts` knows zones.
 *
 * The language is cronie's (five fields, lists, ranges, steps, names, @daily) with
 * what people know from Quartz: seconds first, `L`, `LW`, `15W`, `FRI#2`, `FRI#L`,
 * `?`. Two of cronie's rules surprise: a range or list that happens to hold every
 * value is not a `*`, and when either day field *begins* with `*` a day must match
 * both fields, otherwise either: beside a weekday, "every second day from `*`" and
 * `1-31/2` differ.
 *
 * The reader cuts at commas, slashes and dashes, each once: its time grows with the
 * length of the text, and the length has a limit.
 */
import { type Fault, fieldFault, shown } from "../base/fault.ts";
import { MONTH_SHAPES, shape } from "./days.ts";
import { CRON_TEXT_MAX } from "./schedule.ts";
import { Slots } from "./slots.ts";

/** An expression that was understood. It never changes, so one may be shared by any number of schedules. */
export interface Cron {
  readonly text: string;
  readonly seconds: Slots;
  readonly minutes: Slots;
  readonly hours: Slots;
  /** The months that match; bit 0 is January. */
  readonly months: number;
  /** The days that match, for each shape of month; bit 0 is the first. */
  readonly days: Int32Array;
  /** No second, minute or hour field begins with `*`: it names times of day, and does not follow elapsed time. */
  readonly fixed: boolean;
  /** No day in any year matches, as in `0 0 30 2 *`. */
  readonly neverFires: boolean;
}

/** Reads a cron expression. Throws a Fault that names the part, its value and the way out. */
export function parseCron(text: string, field: string): Cron {
  if (text.length > CRON_TEXT_MAX) {
    throw fieldFault(
      field,
      `a cron expression of ${text.length} characters is too long.`,
      `The longest allowed has ${CRON_TEXT_MAX}; join several expressions instead.`,
    );
  }
  const [second = "", minute = "", hour = "", dayOfMonth = "", month = "", dayOfWeek = ""] = wordsOf(
    text,
    field,
  );
  const part = (rule: Rule): Part => ({ rule, text, field });

  const months = monthMask(parseValues(month, part(MONTH)));
  const days = dayTable(
    parseDaysOfMonth(dayOfMonth, part(DAY_OF_MONTH)),
    parseDaysOfWeek(dayOfWeek, part(DAY_OF_WEEK)),
  );
  return {
    text: text.trim(),
    seconds: parseSlots(second, part(SECOND)),
    minutes: parseSlots(minute, part(MINUTE)),
    hours: parseSlots(hour, part(HOUR)),
    months,
    days,
    fixed: ![second, minute, hour].some((word) => word.startsWith("*")),
    neverFires: !someDayMatches(months, days),
  };
}

/** What one part of an expression may hold. */
interface Rule {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
}

/** A part of one expression: where a refusal points at. */
interface Part {
  readonly rule: Rule;
  readonly text: string;
  readonly field: string;
}

const MONTH_NAMES = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAY_NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const SECOND: Rule = { name: "second", low: 0, high: 59, names: [] };
const MINUTE: Rule = { name: "minute", low: 0, high: 59, names: [] };
const HOUR: Rule = { name: "hour", low: 0, high: 23, names: [] };
const DAY_OF_MONTH: Rule = { name: "day of month", low: 1, high: 31, names: [] };
const MONTH: Rule = { name: "month", low: 1, high: 12, names: MONTH_NAMES };
const DAY_OF_WEEK: Rule = { name: "day of week", low: 0, high: 7, names: WEEKDAY_NAMES };

const SHORTCUTS: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
]);

/** The six parts of an expression; the second is "0" where the text has five. */
function wordsOf(untrimmed: string, field: string): readonly string[] {
  const text = untrimmed.trim();
  const words = (SHORTCUTS.get(text.toLowerCase()) ?? text).split(/[ \t]+/);
  if (words.length === 5) return ["0", ...words];
  if (words.length === 6) return words;
  throw fieldFault(field, `${shown(text)} is not a cron expression${countOf(text, words)}.`, hintFor(text));
}

function countOf(text: string, words: readonly string[]): string {
  if (text === "" || text.startsWith("@") || /^\d{4}-/.test(text)) return "";
  return `: it has ${words.length} ${words.length === 1 ? "part" : "parts"}, not 5 or 6`;
}

function hintFor(text: string): string {
  if (text.startsWith("@every")) return 'An interval is written alone, like "5m" or "1h30m".';
  if (text.startsWith("@")) return `The shortcuts are ${[...SHORTCUTS.keys()].join(", ")}.`;
  if (/^\d{4}-/.test(text)) return "Give an instant as `at`; cron is for what repeats.";
  return 'Write minute, hour, day of month, month and day of week, like "30 9 * * MON-FRI"; seconds may come first.';
}

function refusal(part: Part, value: string, reason: string, hint: string): Fault {
  const where = `the ${part.rule.name} ${shown(value)} in ${shown(part.text.trim())}`;
  return fieldFault(part.field, `${where} ${reason}.`, hint);
}

function monthMask(months: ReadonlySet<number>): number {
  return [...months].reduce((mask, month) => mask | (1 << (month - 1)), 0);
}

function parseSlots(word: string, part: Part): Slots {
  return new Slots(parseValues(word, part), part.rule.high + 1);
}

function parseValues(word: string, part: Part): Set<number> {
  return new Set(word.split(",").flatMap((item) => parseItem(item, part)));
}

// Reads 5, 1-5, *, and with a step */15 or 0-30/10.
function parseItem(item: string, part: Part): number[] {
  const [base = "", stepText, ...more] = item.split("/");
  if (more.length > 0) throw refusal(part, item, "has two steps", "Write one, like */15.");
  const ends = base === "*" ? [part.rule.low, part.rule.high] : parseRange(base, item, part);
  const [from = 0, to = from] = ends;
  if (stepText === undefined) return valuesOf(from, to, 1);
  if (ends.length === 1) {
    throw refusal(
      part,
      item,
      "has a step but no range",
      `Write ${base}-${part.rule.high}/${shownStep(stepText)}.`,
    );
  }
  return valuesOf(from, to, parseStep(stepText, item, part));
}

function valuesOf(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}

/** Reads `5` to one number, `1-5` to two. */
function parseRange(base: string, item: string, part: Part): number[] {
  const [fromText = "", toText, ...more] = base.split("-");
  const from = parseValue(fromText, item, part);
  if (toText === undefined) return [from];
  if (more.length > 0) throw refusal(part, item, "has too many dashes", "Write a range like 1-5.");
  const last = parseValue(toText, item, part);
  const to = toText.toUpperCase() === "SUN" && from > 0 ? 7 : last; // A week may also end with Sunday.
  if (from <= to) return [from, to];
  const { low, high } = part.rule;
  throw refusal(part, item, "runs backwards", `Write two ranges: ${from}-${high},${low}-${to}.`);
}

function parseValue(word: string, item: string, part: Part): number {
  const { low, high, names } = part.rule;
  const named = names.indexOf(word.toUpperCase());
  if (named >= 0) return named + low;
  const kinds = names.length > 0 ? `${low} to ${high}, or ${names.join(", ")}` : `${low} to ${high}`;
  const hint = `It may be * or ${kinds}, a list or a range of these.`;
  if (!/^\d+$/.test(word)) throw refusal(part, item, "is not understood", hint);
  const value = Number(word);
  if (value < low || value > high) throw refusal(part, item, "is out of range", hint);
  return value;
}

function parseStep(word: string, item: string, part: Part): number {
  const sizeMax = part.rule === DAY_OF_WEEK ? 7 : part.rule.high - part.rule.low + 1;
  const step = /^\d+$/.test(word) ? Number(word) : 0;
  if (step >= 1 && step <= sizeMax) return step;
  throw refusal(part, item, "has a step that does not fit", `A step here is 1 to ${sizeMax}.`);
}

function shownStep(word: string): string {
  return /^\d{1,2}$/.test(word) ? word : "1";
}

/** The days that match in a month of this length that begins on this weekday; bit 0 is the first. */
type DayRule = (length: number, firstWeekday: number) => number;

interface DayPart {
  /** It begins with `*`, so the other day field must match as well. */
  readonly open: boolean;
  readonly days: DayRule;
}

const ALL_DAYS = 0x7fff_ffff;
const EVERY_DAY: DayPart = { open: true, days: () => ALL_DAYS };

function parseDaysOfMonth(word: string, part: Part): DayPart {
  if (word === "?") return EVERY_DAY;
  const rules = word.split(",").map((item) => parseDayOfMonth(item, part));
  return { open: word.startsWith("*"), days: anyOf(rules) };
}

function parseDayOfMonth(item: string, part: Part): DayRule {
  const word = item.toUpperCase();
  if (word === "L") return (length) => bitOf(length);
  if (word === "LW") return (length, first) => bitOf(nearestWeekday(length, length, first));
  if (word.endsWith("W")) {
    const target = parseValue(word.slice(0, -1), item, part);
    return (length, first) => (target <= length ? bitOf(nearestWeekday(target, length, first)) : 0);
  }
  const mask = parseItem(item, part).reduce((bits, day) => bits | bitOf(day), 0);
  return () => mask;
}

function bitOf(day: number): number {
  return 1 << (day - 1);
}

/** The day from Monday to Friday that is nearest to `target` and in the same month. */
function nearestWeekday(target: number, length: number, firstWeekday: number): number {
  const weekday = (firstWeekday + target - 1) % 7;
  if (weekday === 6) return target > 1 ? target - 1 : target + 2;
  if (weekday === 0) return target < length ? target + 1 : target - 2;
  return target;
}

function parseDaysOfWeek(word: string, part: Part): DayPart {
  if (word === "?") return EVERY_DAY;
  const rules = word.split(",").map((item) => parseDayOfWeek(item, part));
  return { open: word.startsWith("*"), days: anyOf(rules) };
}

function parseDayOfWeek(item: string, part: Part): DayRule {
  const { base, which } = splitWeekday(item);
  const weekdays = parseItem(base, part).reduce((bits, weekday) => bits | (1 << (weekday % 7)), 0);
  const onWeekday: DayRule = (_, first) => everyWeek(weekdays, first);
  if (which === undefined) return onWeekday;
  if (base.startsWith("*")) throw refusal(part, item, "names no weekday", "Write one, like FRI#2 or FRI#L.");
  if (which === "L") return (length, first) => onWeekday(length, first) & (ALL_DAYS << (length - 7));
  if (!/^[1-5]$/.test(which)) {
    throw refusal(part, item, "is not understood", "After # comes 1 to 5, or L for the last.");
  }
  const week = WEEK << (7 * (Number(which) - 1));
  return (length, first) => onWeekday(length, first) & week;
}

/** `FRI#2` is FRI and 2; `FRI#L` and `FRIL` are FRI and L. */
function splitWeekday(item: string): { base: string; which: string | undefined } {
  const hash = item.indexOf("#");
  if (hash >= 0) return { base: item.slice(0, hash), which: item.slice(hash + 1).toUpperCase() };
  return /.L$/i.test(item) ? { base: item.slice(0, -1), which: "L" } : { base: item, which: undefined };
}

const WEEK = 0b111_1111;

/** A set of weekdays, bit 0 being Sunday, as days of a month that begins on `first`. */
function everyWeek(weekdays: number, first: number): number {
  const week = ((weekdays >>> first) | (weekdays << (7 - first))) & WEEK;
  return week | (week << 7) | (week << 14) | (week << 21) | (week << 28);
}

function anyOf(rules: readonly DayRule[]): DayRule {
  return (length, first) => rules.reduce((bits, rule) => bits | rule(length, first), 0);
}

function dayTable(ofMonth: DayPart, ofWeek: DayPart): Int32Array {
  const both = ofMonth.open || ofWeek.open;
  const table = new Int32Array(MONTH_SHAPES);
  for (let length = 28; length <= 31; length++) {
    for (let first = 0; first < 7; first++) {
      const [inMonth, inWeek] = [ofMonth.days(length, first), ofWeek.days(length, first)];
      table[shape(length, first)] =
        (both ? inMonth & inWeek : inMonth | inWeek) & (ALL_DAYS >>> (31 - length));
    }
  }
  return table;
}

/** Every month begins with every weekday in some year, also a February of 29 days. */
function someDayMatches(months: number, days: Int32Array): boolean {
  const lengths = [[31], [28, 29], [31], [30], [31], [30], [31], [31], [30], [31], [30], [31]];
  return lengths.some(
    (ofMonth, month) =>
      (months & (1 << month)) !== 0 &&
      ofMonth.some((length) =>
        days.subarray(shape(length, 0), shape(length, 0) + 7).some((mask) => mask !== 0),
      ),
  );
}
