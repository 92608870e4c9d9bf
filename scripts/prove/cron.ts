/**
 * Proves that schedules fire when they should: compares the engine with a walk
 * through real time (see internal/schedule/oracle.ts), and with croner.
 *
 *   bun scripts/prove/cron.ts [--shard 1/4] [--seed 1] [--expressions 20000]
 *
 * Four parts: random expressions in random zones over two months; every change of
 * clocks of every zone from 2020 to 2040; days that come once in years; croner. A
 * difference is one line on stderr, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { parseCron } from "../../internal/schedule/cron.ts";
import { pick, randomExpression, seededRandom } from "../../internal/schedule/expressions.ts";
import {
  CLOCK_CHANGE_DEFAULT,
  type ClockChange,
  dateHolds,
  differenceDuring,
  walk,
} from "../../internal/schedule/oracle.ts";
import { recurrence } from "../../internal/schedule/recurrence.ts";
import { compareWithCroner } from "./croner.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const QUARTER_MS = DAY_MS / 4;
const MINUTE_MS = 60_000;
const FROM = Date.UTC(2020, 0, 1);
const UNTIL = Date.UTC(2041, 0, 1);
const EXPRESSIONS_PER_WALK = 20; // The walk costs as much as ten of them.
const EXPRESSIONS_PER_CHANGE = 8;
const CRONER_CASES_SHARE = 0.2; // croner takes 25 µs for an answer, and searches in the same way everywhere.

const CHANGES: readonly [ClockChange, ...ClockChange[]] = [
  CLOCK_CHANGE_DEFAULT,
  CLOCK_CHANGE_DEFAULT, // What nearly everybody has is looked at more often.
  { dstGap: "run-after", dstFold: "second" },
  { dstGap: "skip", dstFold: "both" },
];

/** What was compared so far. */
interface Tally {
  cases: number;
  differences: number;
}

interface Job {
  /** This process does every `shards`-th piece of work, beginning with `shard`. */
  shard: number;
  shards: number;
  seed: number;
  expressions: number;
}

function note(tally: Tally, difference: string | null): void {
  tally.cases++;
  if (difference === null) return;
  tally.differences++;
  process.stderr.write(`${difference}\n`);
}

/** Random expressions, one or three joined, in random zones, over two months from a random minute. */
function proveMonths(
  tally: Tally,
  zones: readonly string[],
  { shard, shards, seed, expressions }: Job,
): void {
  const walks = Math.ceil(expressions / EXPRESSIONS_PER_WALK);
  for (let i = shard; i < walks; i += shards) {
    const random = seededRandom(seed * 1_000_003 + i);
    const zone = zones[Math.floor(random() * zones.length)] ?? "UTC";
    const from = FROM + Math.floor((random() * (UNTIL - FROM - 62 * DAY_MS)) / MINUTE_MS) * MINUTE_MS;
    const span = walk(zone, from, from + 62 * DAY_MS, MINUTE_MS);
    for (let j = 0; j < EXPRESSIONS_PER_WALK; j++) {
      const texts = Array.from({ length: random() < 0.8 ? 1 : 3 }, () => randomExpression(random, false));
      note(tally, differenceDuring(span, texts, pick(random, CHANGES), random));
    }
  }
}

/** Two days around each change of clocks by the minute, an hour around it by the second. */
function proveChanges(tally: Tally, zones: readonly string[], { shard, shards, seed }: Job): void {
  zones.forEach((zone, index) => {
    if (index % shards !== shard) return;
    const random = seededRandom(seed * 1_000_033 + index);
    for (const change of changesOf(zone)) {
      const days = walk(zone, change - 2 * DAY_MS, change + 2 * DAY_MS, MINUTE_MS);
      for (let i = 0; i < EXPRESSIONS_PER_CHANGE; i++) {
        note(tally, differenceDuring(days, [randomExpression(random, false)], pick(random, CHANGES), random));
      }
      const hours = walk(zone, change - HOUR_MS, change + HOUR_MS, 1_000);
      note(tally, differenceDuring(hours, [randomExpression(random, true)], pick(random, CHANGES), random));
    }
  });
}

/** The full hours after which a zone's offset is another. No two changes are a quarter of a day apart. */
function changesOf(zone: string): number[] {
  const changes: number[] = [];
  let before = offsetAt(zone, FROM);
  for (let quarter = FROM + QUARTER_MS; quarter < UNTIL; quarter += QUARTER_MS) {
    if (offsetAt(zone, quarter) === before) continue;
    let hour = quarter - QUARTER_MS + HOUR_MS;
    while (offsetAt(zone, hour) === before) hour += HOUR_MS;
    before = offsetAt(zone, quarter);
    changes.push(hour);
  }
  return changes;
}

function offsetAt(zone: string, instant: number): number {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone).offsetNanoseconds;
}

/** Expressions about days, over forty years of midnights: leap days, fifth Fridays, both at once. */
function proveDays(tally: Tally, { shard, shards, seed, expressions }: Job): void {
  const from = Date.UTC(2060, 0, 1); // 2100 is no leap year.
  const dates = Array.from({ length: 44 * 365 }, (_, day) => new Date(from + day * DAY_MS));
  for (let i = shard; i < expressions / 20; i += shards) {
    const random = seededRandom(seed * 1_000_037 + i);
    const [, , dayOfMonth = "", , dayOfWeek = ""] = randomExpression(random, false).split(" ");
    const month = pick(random, ["*", "2", "2,4", "FEB-MAR"]);
    const text = `0 0 ${pick(random, [dayOfMonth, dayOfMonth, "29", "*/29", "30,L"])} ${month} ${pick(random, [dayOfWeek, "*", "*/7"])}`;
    const [, , dom = "", , dow = ""] = text.split(" ");
    const expected = dates.filter((date) => dateHolds(date, dom, month, dow)).map((date) => date.getTime());
    note(tally, differenceOfDays(text, expected, from - 1, from + (dates.length - 1) * DAY_MS));
  }
}

function differenceOfDays(
  text: string,
  expected: readonly number[],
  from: number,
  until: number,
): string | null {
  const engine = recurrence({
    spec: { kind: "cron", cron: [text] },
    timezone: "UTC",
    anchor: 0,
    ...CLOCK_CHANGE_DEFAULT,
  });
  if (expected.length === 0 && parseCron(text, "cron").neverFires !== (engine.next(from) === null))
    return `${text}: never?`;
  if (engine.count(from, until) !== expected.length)
    return `${text}: ${expected.length} days, not ${engine.count(from, until)}`;
  let after = from;
  for (const day of expected) {
    const next = engine.next(after);
    if (next !== day)
      return `${text}: after ${new Date(after).toISOString()} comes ${new Date(day).toISOString()}, not ${next}`;
    if (engine.latest(after, day) !== day)
      return `${text}: the latest at ${new Date(day).toISOString()} is another`;
    after = day;
  }
  return null;
}

/** Asks croner too; what it is known to say differently is counted, anything else is a difference. */
function proveWithCroner(zones: readonly string[], { shard, shards, seed, expressions }: Job) {
  const tally = { cases: 0, known: 0, differences: 0 };
  for (let i = shard; i < expressions * CRONER_CASES_SHARE; i += shards) {
    const random = seededRandom(seed * 1_000_039 + i);
    const zone = random() < 0.25 ? "UTC" : (zones[Math.floor(random() * zones.length)] ?? "UTC");
    const somewhen = FROM + Math.floor(random() * (UNTIL - FROM));
    const from = random() < 0.5 ? somewhen : dayBeforeChange(zone, somewhen);
    const { known, unknown } = compareWithCroner(randomExpression(random, random() < 0.2), zone, from);
    tally.cases++;
    if (known > 0) tally.known++;
    if (unknown) process.stderr.write(`croner: ${unknown}\n`);
    if (unknown) tally.differences++;
  }
  return tally;
}

/** A moment on the day before the next change of clocks; the moment given, where there is none. */
function dayBeforeChange(zone: string, instant: number): number {
  const moment = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
  const change = moment.getTimeZoneTransition("next");
  return change === null ? instant : change.epochMilliseconds - DAY_MS / 2;
}

function readJob(): Job {
  const { values } = parseArgs({
    options: {
      shard: { type: "string", default: "1/1" },
      seed: { type: "string", default: "1" },
      expressions: { type: "string", default: "20000" },
    },
  });
  const [shard = 1, shards = 1] = values.shard.split("/").map(Number);
  return { shard: shard - 1, shards, seed: Number(values.seed), expressions: Number(values.expressions) };
}

const job = readJob();
const zones = ["UTC", ...Intl.supportedValuesOf("timeZone")];
const tally: Tally = { cases: 0, differences: 0 };
proveMonths(tally, zones, job);
proveDays(tally, job);
proveChanges(tally, zones, job);
const croner = proveWithCroner(zones, job);
process.stdout.write(
  `croner: ${croner.cases} cases, ${croner.known} with known differences, ${croner.differences} with others\n`,
);
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
process.stdout.write(`cron oracle in ${here}: ${tally.cases} cases, ${tally.differences} differences\n`);
process.exitCode = tally.differences + croner.differences === 0 ? 0 : 1;
