/**
 * Calendar: the days on which simulated worlds begin. Most begin shortly before some
 * zone changes its clocks, or before the hour that comes twice begins again; their
 * schedules ask for times that are skipped, come twice, or lie just beside.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { Dice } from "./dice.ts";

/** A day, and the cron expressions that are worth trying on it. */
export interface Day {
  startAt: Millis;
  /** The zone that is about to change its clocks, or any. */
  zone: string;
  crons: readonly string[];
}

/** Zones that worlds use; Asia/Kathmandu and UTC never change their clocks. */
export const ZONES = [
  "UTC",
  "America/New_York",
  "Australia/Lord_Howe",
  "Europe/Berlin",
  "Africa/Casablanca",
  "America/Santiago",
  "Asia/Kathmandu",
] as const;

/** Changes of clocks, in universal time, with their zone. */
const CHANGES: readonly [Change, ...Change[]] = [
  ["America/New_York", "2026-03-08T07:00:00Z"], // Loses the hour from 2.
  ["America/New_York", "2026-11-01T06:00:00Z"], // Has the hour from 1 twice.
  ["Australia/Lord_Howe", "2026-04-04T15:00:00Z"], // Half an hour twice.
  ["Australia/Lord_Howe", "2026-10-03T15:30:00Z"], // Loses half an hour.
  ["Europe/Berlin", "2026-03-29T01:00:00Z"],
  ["Europe/Berlin", "2026-10-25T01:00:00Z"],
  ["Africa/Casablanca", "2026-02-15T02:00:00Z"], // Back for the month of Ramadan.
  ["Africa/Casablanca", "2026-03-22T02:00:00Z"],
  ["America/Santiago", "2026-04-05T03:00:00Z"], // The last hour of a day twice.
  ["America/Santiago", "2026-09-06T04:00:00Z"], // A day that begins at 1.
];

type Change = readonly [zone: string, at: string];

/** Days on which no clock changes. */
const OTHERS: readonly [Change, ...Change[]] = [
  ["Asia/Kathmandu", "2026-06-10T18:15:00Z"], // Midnight, at an offset of 5:45.
  ["UTC", "2026-06-10T12:00:00Z"],
  ["UTC", "2028-02-29T00:00:00Z"],
  ["Europe/Berlin", "2027-01-01T00:00:00Z"],
];

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const BEFORE_MS = 150 * SECOND; // Within the time in which things go wrong.
const NEAR_MS = 4 * MINUTE;

/** Draws a day. */
export function drawDay(dice: Dice): Day {
  const [zone, at] = dice.chance(0.8) ? dice.pick(CHANGES) : dice.pick(OTHERS);
  const change = Date.parse(at);
  const comesTwice = offsetAt(zone, change) < offsetAt(zone, change - SECOND);
  // Its first pass begins half an hour or an hour before the change, and what follows on the second as long after it.
  const passMs = comesTwice ? dice.pick([0, 0, -HOUR, -HOUR / 2, HOUR / 2, HOUR]) : 0;
  const startAt = change + passMs - dice.between(10 * SECOND, BEFORE_MS);
  const near = Array.from({ length: 6 }, () => drawNear(dice, zone, startAt));
  return { startAt, zone, crons: [...near, ...dice.pick(EVERYDAY)] };
}

const EVERYDAY: readonly [readonly string[], ...(readonly string[])[]] = [
  ["* * * * *", "*/10 * * * * *"],
  ["*/2 * * * *", "0 0 1 * MON", "@hourly"],
  ["@daily", "0,30 0,1,2,23 * * *", "15 */20 0-3 * * *"],
  ["30 1,2 * * *", "0-59/3 1-3 * * *", "5-59/7 * * * * *"],
];

/** An expression that names a time of day which is near, by the clock before the change or after it. */
function drawNear(dice: Dice, zone: string, startAt: Millis): string {
  const instant = startAt + dice.between(0, NEAR_MS);
  const offset = offsetAt(zone, instant + dice.pick([-2 * HOUR, -2 * HOUR, 0, 2 * HOUR]));
  const wall = new Date(instant + offset);
  const [hour, minute, second] = [wall.getUTCHours(), wall.getUTCMinutes(), wall.getUTCSeconds()];
  const soon = `${minute},${(minute + 1) % 60},${(minute + 2) % 60}`;
  return dice.pick([
    `${minute} ${hour} * * *`,
    `${second} ${minute} ${hour} * * *`,
    `${soon} ${hour},${(hour + 1) % 24} * * *`,
    `0-59 ${hour} * * *`,
    `*/20 ${soon} ${hour} * * *`,
    `0,20,40 ${soon} ${hour} * * *`,
    `* ${hour} * * *`,
  ]);
}

function offsetAt(zone: string, instant: Millis): Millis {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone).offsetNanoseconds / 1e6;
}
