/**
 * Oracle: when cron expressions fire, worked out the slowest way there is, to check
 * the fast way. Tests and proofs use it, the product never does.
 *
 * It walks real time step by step, asks Temporal what the wall shows, and looks the
 * expression's text up afresh. It shares nothing with the engine: not the reader of
 * expressions, not the calendar, not the stretches of zones. If you make it clever,
 * it stops being a proof.
 */
import type { Millis } from "../base/env.ts";
import { type RecurrenceOptions, recurrence } from "./recurrence.ts";

/** Real time from `from` in steps, with what the wall showed at each: seconds since 1970 on that wall. */
export interface Walk {
  readonly zone: string;
  readonly from: Millis;
  readonly stepMs: Millis;
  readonly walls: Float64Array;
  /** 0: the wall shows this once. 1, 2: it shows it again, and this is the first or second time. */
  readonly passes: Uint8Array;
}

/** The settings about changes of clocks. */
export type ClockChange = Pick<RecurrenceOptions, "dstGap" | "dstFold">;

/** The rule that holds when nobody chose another. */
export const CLOCK_CHANGE_DEFAULT: ClockChange = { dstGap: "run-after", dstFold: "first" };

const RULE_LIMIT_S = 3 * 3_600; // Gaps and folds beyond it are left alone.
const SPANS = 6; // Random parts of a walk for which count and latest are compared.
/** What a walk sees before and after its span, to recognise folds at its ends. */
export const MARGIN_MS = 4 * 3_600_000;

/** Walks through [from, until), and a margin around it. */
export function walk(zone: string, from: Millis, until: Millis, stepMs: Millis): Walk {
  const start = from - MARGIN_MS;
  const count = Math.ceil((until + MARGIN_MS - start) / stepMs);
  const walls = new Float64Array(count);
  const passes = new Uint8Array(count);
  const seen = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const instant = start + i * stepMs;
    const moment = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
    const wall = instant / 1_000 + moment.offsetNanoseconds / 1e9;
    const before = seen.get(wall);
    if (before !== undefined && ((i - before) * stepMs) / 1_000 <= RULE_LIMIT_S) {
      passes[before] = 1;
      passes[i] = 2;
    }
    walls[i] = wall;
    seen.set(wall, i);
  }
  return { zone, from: start, stepMs, walls, passes };
}

/** The instants of a walk's inner span at which any of some expressions fires. */
export function firesDuring(walk: Walk, expressions: readonly string[], change: ClockChange): Millis[] {
  const fires = new Set(expressions.flatMap((text) => firesOf(walk, text, change)));
  const until = walk.from + walk.walls.length * walk.stepMs - MARGIN_MS;
  return [...fires]
    .filter((instant) => instant >= walk.from + MARGIN_MS && instant < until)
    .sort((a, b) => a - b);
}

function firesOf(
  { from, stepMs, walls, passes }: Walk,
  text: string,
  { dstGap, dstFold }: ClockChange,
): Millis[] {
  const matches = matcherOf(text);
  const fixed = isFixed(text);
  const stepS = stepMs / 1_000;
  const skippedPass = !fixed || dstFold === "both" ? 3 : dstFold === "first" ? 2 : 1;
  const fires: Millis[] = [];
  walls.forEach((wall, i) => {
    let hit = passes[i] !== skippedPass && matches(wall);
    const expected = (walls[i - 1] ?? wall - stepS) + stepS;
    if (fixed && dstGap === "run-after" && wall - expected <= RULE_LIMIT_S) {
      for (let missing = expected; missing < wall && !hit; missing += stepS) hit = matches(missing);
    }
    if (hit) fires.push(from + i * stepMs);
  });
  return fires;
}

function partsOf(text: string): string[] {
  const parts = text.trim().split(/\s+/);
  return parts.length === 5 ? ["0", ...parts] : parts;
}

function isFixed(text: string): boolean {
  return partsOf(text)
    .slice(0, 3)
    .every((part) => part[0] !== "*");
}

const MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(" ");
const WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split(" ");

/** Says of a time on the wall whether an expression matches. What it found out about a value or a date it keeps. */
function matcherOf(text: string): (wall: number) => boolean {
  const [second = "", minute = "", hour = "", dayOfMonth = "", month = "", dayOfWeek = ""] = partsOf(text);
  const seconds = Array.from({ length: 60 }, (_, value) => holds(second, value, 0, 59));
  const minutes = Array.from({ length: 60 }, (_, value) => holds(minute, value, 0, 59));
  const hours = Array.from({ length: 24 }, (_, value) => holds(hour, value, 0, 23));
  const dates = new Map<number, boolean>();
  const dateMatches = (day: number) => {
    const known = dates.get(day) ?? dateHolds(new Date(day * 86_400_000), dayOfMonth, month, dayOfWeek);
    dates.set(day, known);
    return known;
  };
  return (wall) => {
    const day = Math.floor(wall / 86_400);
    const time = wall - day * 86_400;
    return (
      hours[Math.floor(time / 3_600)] === true &&
      minutes[Math.floor(time / 60) % 60] === true &&
      seconds[time % 60] === true &&
      dateMatches(day)
    );
  };
}

/** Whether a date matches; it comes as midnight in UTC, so that Date can be asked about it. */
export function dateHolds(date: Date, dayOfMonth: string, month: string, dayOfWeek: string): boolean {
  if (!holds(month, date.getUTCMonth() + 1, 1, 12, MONTHS, 1)) return false;
  const inMonth = dayOfMonth === "?" || dayOfMonth.split(",").some((item) => dayOfMonthHolds(item, date));
  const inWeek = dayOfWeek === "?" || dayOfWeek.split(",").some((item) => dayOfWeekHolds(item, date));
  const both = /^[*?]/.test(dayOfMonth) || /^[*?]/.test(dayOfWeek);
  return both ? inMonth && inWeek : inMonth || inWeek;
}

function lengthOfMonth(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

function dayOfMonthHolds(item: string, date: Date): boolean {
  const day = date.getUTCDate();
  const length = lengthOfMonth(date);
  if (item === "L") return day === length;
  if (!item.endsWith("W")) return holds(item, day, 1, 31);
  const target = item === "LW" ? length : Number(item.slice(0, -1));
  if (target > length) return false;
  const workdays = Array.from({ length }, (_, i) => i + 1).filter((other) => {
    const weekday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), other)).getUTCDay();
    return weekday !== 0 && weekday !== 6;
  });
  const distances = workdays.map((other) => Math.abs(other - target));
  return workdays[distances.indexOf(Math.min(...distances))] === day;
}

function dayOfWeekHolds(item: string, date: Date): boolean {
  const [weekdays = "", which] = item.split("#");
  const weekday = date.getUTCDay();
  const day = date.getUTCDate();
  if (!holds(weekdays, weekday, 0, 7, WEEKDAYS) && !(weekday === 0 && holds(weekdays, 7, 0, 7, WEEKDAYS)))
    return false;
  if (which === undefined) return true;
  return which === "L" ? day + 7 > lengthOfMonth(date) : Math.floor((day - 1) / 7) + 1 === Number(which);
}

/** Whether a list of values, ranges and steps holds a value. Names count up from `nameBase`. */
function holds(
  list: string,
  value: number,
  low: number,
  high: number,
  names: readonly string[] = [],
  nameBase = 0,
): boolean {
  const read = (word: string) => (names.includes(word) ? names.indexOf(word) + nameBase : Number(word));
  return list.split(",").some((item) => {
    const [range = "", step = "1"] = item.split("/");
    const [first = "", last = first] = range.split("-");
    const [from, to] = range === "*" ? [low, high] : [read(first), read(last)];
    for (let each = from; each <= to; each += Number(step)) if (each === value) return true;
    return false;
  });
}

/**
 * Compares the engine with the oracle over a walk: the chain of `next`, which is the
 * same from anywhere between two occurrences, and `count` and `latest` of the whole
 * span and of random parts. Says what differs, or null.
 */
export function differenceDuring(
  walk: Walk,
  expressions: readonly string[],
  change: ClockChange,
  random: () => number,
): string | null {
  const expected = firesDuring(walk, expressions, change);
  const engine = recurrence({
    spec: { kind: "cron", cron: expressions },
    timezone: walk.zone,
    anchor: 0,
    ...change,
  });
  const from = walk.from + MARGIN_MS;
  const until = walk.from + walk.walls.length * walk.stepMs - MARGIN_MS;
  const where = `${JSON.stringify(expressions)} ${walk.zone} ${JSON.stringify(change)} from ${new Date(from).toISOString()}`;

  let after = from - 1;
  for (const instant of [...expected, null]) {
    const next = engine.next(after);
    const got = next !== null && next < until ? next : null;
    if (got !== instant)
      return `${where}: after ${shownInstant(after)} comes ${shownInstant(instant)}, not ${shownInstant(got)}`;
    const between = after + Math.floor(random() * ((instant ?? until) - after));
    if (engine.next(between) !== next)
      return `${where}: after ${shownInstant(between)} comes ${shownInstant(engine.next(between))}, but ${shownInstant(next)} after ${shownInstant(after)}`;
    after = instant ?? after;
  }
  const within = () => from + Math.floor(random() * (until - from));
  const spans = Array.from({ length: SPANS }, () => [within(), within()].sort((a, b) => a - b));
  for (const [low = 0, high = 0] of [[from - 1, until - 1], ...spans]) {
    const part = expected.filter((instant) => instant > low && instant <= high);
    const span = `in (${shownInstant(low)}, ${shownInstant(high)}]`;
    const count = engine.count(low, high);
    if (count !== part.length) return `${where}: ${part.length} ${span}, not ${count}`;
    const latest = engine.latest(low, high);
    if (latest !== (part.at(-1) ?? null)) return `${where}: the last ${span} is not ${shownInstant(latest)}`;
  }
  return null;
}

function shownInstant(instant: Millis | null): string {
  return instant === null ? "nothing" : new Date(instant).toISOString();
}
