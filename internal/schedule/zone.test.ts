/** Zone: names, and stretches of one offset that leave no instant out. */
import { expect, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import vectors from "./vectors/cron.json" with { type: "json" };
import { parseTimezone, zoneOf } from "./zone.ts";

const YEAR_2020 = Date.UTC(2020, 0, 1);
const YEAR_2041 = Date.UTC(2041, 0, 1);

test.each(vectors.timezones.filter(({ mustReject }) => mustReject === true))(
  "the zone $tz is refused",
  ({ tz }) => {
    expect(() => parseTimezone(tz, "timezone")).toThrow(Fault);
  },
);

test.each([
  "+02:00",
  "Z",
  "PST",
  "local",
  "Europe/Amsterdam\n",
  "__proto__",
  "Europe//Paris",
  "a".repeat(1_000_000),
])("%.20j is no zone", (text) => {
  expect(() => parseTimezone(text, "timezone")).toThrow(/^timezone: .* is not a time zone\.$/);
});

test.each([
  ["", "UTC"],
  ["utc", "UTC"],
  ["europe/amsterdam", "Europe/Amsterdam"],
  ["US/Eastern", "US/Eastern"],
  ["Asia/Calcutta", "Asia/Calcutta"],
  ["Etc/GMT+5", "Etc/GMT+5"],
])("the zone %j is %s", (text, name) => {
  expect(parseTimezone(text, "timezone")).toBe(name);
});

test("stretches follow one another without a gap, and their offsets are Temporal's, in every zone", () => {
  for (const name of Intl.supportedValuesOf("timeZone")) {
    const zone = zoneOf(name);
    for (let instant = YEAR_2020; instant < YEAR_2041;) {
      const stretch = zone.stretchAt(instant);
      const next = zone.stretchAt(stretch.until);
      const ends = [instant, Math.min(stretch.until, YEAR_2041) - 1];
      expect([name, ...ends.map((at) => offsetAt(name, at))]).toEqual([name, stretch.offset, stretch.offset]);
      if (stretch.until !== Infinity) {
        expect(next.from).toBe(stretch.until);
        expect([next.offsetBefore, next.offset]).toEqual([stretch.offset, stretch.offsetAfter]);
        expect(next.offset).not.toBe(stretch.offset);
      }
      instant = stretch.until;
    }
  }
});

test("instants in any order find their stretch", () => {
  const zone = zoneOf("Africa/Casablanca");
  for (let i = 0; i < 2_000; i++) {
    const instant = Date.UTC(1900, 0, 1) + ((i * 7_919) % 2_000) * 40 * 86_400_000;
    const stretch = zone.stretchAt(instant);
    expect(stretch.from <= instant && instant < stretch.until).toBe(true);
    expect(stretch.offset).toBe(offsetAt("Africa/Casablanca", instant));
  }
});

test("the ends of time have a stretch", () => {
  const zone = zoneOf("Europe/Paris");
  expect(zone.stretchAt(-8.64e15).from).toBe(-Infinity);
  expect(zone.stretchAt(8.64e15).offset).toBeGreaterThan(0);
  expect(zoneOf("UTC").stretchAt(0)).toMatchObject({ from: -Infinity, until: Infinity, offset: 0 });
});

function offsetAt(zone: string, instant: number): number {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone).offsetNanoseconds / 1e6;
}
