/** Recurrence: the worked examples, the brute-force oracle on a fixed slice, and laws. */
import { expect, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import { parseInstant } from "../base/instant.ts";
import { pick, randomExpression, seededRandom } from "./expressions.ts";
import { CLOCK_CHANGE_DEFAULT, type ClockChange, differenceDuring, walk } from "./oracle.ts";
import { checkEvery, cronSpec, parseEvery, parseWhen, type Recurrence, recurrence } from "./recurrence.ts";
import type { Spec } from "./schedule.ts";
import vectors from "./vectors/cron.json" with { type: "json" };
import { parseTimezone } from "./zone.ts";

const DAY_MS = 86_400_000;
const NEW_YEAR = Date.UTC(2026, 0, 1);

function make(
  spec: Spec,
  timezone = "UTC",
  anchor = 0,
  change: ClockChange = CLOCK_CHANGE_DEFAULT,
): Recurrence {
  return recurrence({ spec, timezone, anchor, ...change });
}

function cron(texts: string | string[], timezone = "UTC", change = CLOCK_CHANGE_DEFAULT): Recurrence {
  return make({ kind: "cron", cron: typeof texts === "string" ? [texts] : texts }, timezone, 0, change);
}

/** The next occurrences, chained. */
function chain(of: Recurrence, from: number, count: number): (number | null)[] {
  let after: number | null = from;
  return Array.from({ length: count }, () => (after = after === null ? null : of.next(after)));
}

const instants = (texts: readonly string[]) => texts.map((text) => parseInstant(text, "vector"));

test.each(vectors.next)("vector $id: $expr in $tz", ({ expr, tz, from, count, expected }) => {
  const of = cron(expr, parseTimezone(tz, "tz"));
  expect(chain(of, parseInstant(from, "from"), count)).toEqual(instants(expected));
});

test.each(vectors.count)(
  "vector $id: $expr in $tz has $expectedCount",
  ({ expr, tz, fromInclusive, toExclusive, expectedCount }) => {
    const after = parseInstant(fromInclusive, "from") - 1;
    expect(cron(expr, tz).count(after, parseInstant(toExclusive, "to") - 1)).toBe(expectedCount);
  },
);

test.each(vectors.never)("vector $id: $expr is refused, and has no next", ({ expr, tz, from }) => {
  expect(() => cronSpec([expr], "cron")).toThrow(/never fires/);
  expect(cron(expr, tz).next(parseInstant(from, "from"))).toBeNull();
  expect(cron(expr, tz).latest(0, NEW_YEAR)).toBeNull();
  expect(cron(expr, tz).count(0, NEW_YEAR)).toBe(0);
});

test.each(vectors.interval)(
  "vector $id: every $every from $anchor",
  ({ every, anchor, from, count, expected, ...rest }) => {
    const [start, after] = [parseInstant(anchor, "anchor"), parseInstant(from, "from")];
    const of = make({ kind: "every", everyMs: parseEvery(every, "every") }, "UTC", start);
    expect(chain(of, after, count)).toEqual(instants(expected));
    expect(of.count(start, after)).toBe(rest.ticksBetweenAnchorAndFrom);
  },
);

test.each(vectors.intervalInvalid)("the interval $every is refused", ({ every }) => {
  expect(() => parseEvery(every, "every")).toThrow(Fault);
});

const CHANGES: readonly [ClockChange, ...ClockChange[]] = [
  CLOCK_CHANGE_DEFAULT,
  { dstGap: "skip", dstFold: "second" },
  { dstGap: "run-after", dstFold: "both" },
];

test.each([
  // Over the change of clocks in New York; the wall shows 02:30 on no 8 March, and 01:30 twice on 1 November.
  ["30 2 * * *", { dstGap: "run-after", dstFold: "first" }, "2026-03-08T00:00:00Z", "2026-03-08T07:00:00Z"],
  ["30 2 * * *", { dstGap: "skip", dstFold: "first" }, "2026-03-08T00:00:00Z", "2026-03-09T06:30:00Z"],
  ["30 1 * * *", { dstGap: "run-after", dstFold: "first" }, "2026-11-01T00:00:00Z", "2026-11-01T05:30:00Z"],
  ["30 1 * * *", { dstGap: "run-after", dstFold: "second" }, "2026-11-01T00:00:00Z", "2026-11-01T06:30:00Z"],
  ["30 1 * * *", { dstGap: "run-after", dstFold: "both" }, "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
] as const)("%s with %j, after %s: %s", (text, change, after, expected) => {
  expect(cron(text, "America/New_York", change).next(parseInstant(after, "after"))).toBe(
    parseInstant(expected, "expected"),
  );
});

test.each([
  // Apia left out 30 December 2011; Caracas moved by half an hour for good, Casey by three hours.
  ["0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", "2011-12-30T22:00:00Z"],
  ["0 3 * * *", "America/Caracas", "2016-05-01T00:00:00Z", "2016-05-01T07:00:00Z"],
  ["30 1 * * *", "Antarctica/Casey", "2020-10-03T12:00:00Z", "2020-10-03T16:01:00Z"],
])("%s in %s, where the calendar was changed", (text, zone, after, expected) => {
  expect(cron(text, zone).next(parseInstant(after, "after"))).toBe(parseInstant(expected, "expected"));
});

test("the engine agrees with the oracle on two months of random expressions, zones and settings", () => {
  const random = seededRandom(3);
  const zones = Intl.supportedValuesOf("timeZone");
  for (let i = 0; i < 12; i++) {
    const zone = zones[Math.floor(random() * zones.length)] ?? "UTC";
    const from = Date.UTC(2020, 0, 1) + Math.floor(random() * 20 * 365 * 1_440) * 60_000;
    const span = walk(zone, from, from + 62 * DAY_MS, 60_000);
    for (let j = 0; j < 10; j++) {
      const texts = Array.from({ length: j < 7 ? 1 : 3 }, () => randomExpression(random, false));
      expect(differenceDuring(span, texts, pick(random, CHANGES), random)).toBeNull();
    }
  }
});

test.each([
  ["America/New_York", "2026-03-08T07:00:00Z"],
  ["America/New_York", "2026-11-01T06:00:00Z"],
  ["Australia/Lord_Howe", "2026-10-03T15:30:00Z"],
  ["Australia/Lord_Howe", "2026-04-04T15:00:00Z"],
  ["Antarctica/Troll", "2026-03-29T01:00:00Z"],
  ["Antarctica/Troll", "2026-10-25T01:00:00Z"],
  ["Africa/Cairo", "2026-04-23T22:00:00Z"],
  ["Africa/Cairo", "2026-10-29T21:00:00Z"],
  ["Pacific/Apia", "2011-12-30T10:00:00Z"],
  ["America/Sao_Paulo", "2018-11-04T03:00:00Z"],
  ["Africa/Casablanca", "2026-03-22T02:00:00Z"],
])("the engine agrees with the oracle around the change of clocks in %s at %s", (zone, at) => {
  const random = seededRandom(5);
  const change = parseInstant(at, "at");
  const days = walk(zone, change - 2 * DAY_MS, change + 2 * DAY_MS, 60_000);
  const hours = walk(zone, change - 3_600_000, change + 3_600_000, 1_000);
  for (let i = 0; i < 30; i++) {
    expect(
      differenceDuring(days, [randomExpression(random, false)], pick(random, CHANGES), random),
    ).toBeNull();
  }
  for (let i = 0; i < 10; i++) {
    expect(
      differenceDuring(hours, [randomExpression(random, true)], pick(random, CHANGES), random),
    ).toBeNull();
  }
});

test("a fixed time of day happens once a day in every zone, whatever its clocks do", () => {
  for (const zone of Intl.supportedValuesOf("timeZone")) {
    for (const text of ["0 0 * * *", "30 1 * * *", "30 2 * * *", "59 23 * * *"]) {
      // From noon to noon on the wall, so that no occurrence lies on the edge.
      const [from, until] = [2026, 2027].map(
        (year) => Temporal.PlainDateTime.from(`${year}-01-01T12:00`).toZonedDateTime(zone).epochMilliseconds,
      );
      expect([zone, text, cron(text, zone).count(from ?? 0, until ?? 0)]).toEqual([zone, text, 365]);
    }
  }
});

test("next does not change between occurrences, and only grows", () => {
  const random = seededRandom(7);
  for (let i = 0; i < 300; i++) {
    const of = cron([randomExpression(random, true), randomExpression(random, false)], "Europe/London");
    const start = NEW_YEAR + Math.floor(random() * 365 * DAY_MS);
    for (let after = start, j = 0; j < 20; j++) {
      const next = of.next(after);
      if (next === null) break;
      expect(next).toBeGreaterThan(after);
      expect(of.next(after + Math.floor(random() * (next - after)))).toBe(next);
      expect(of.latest(after, next)).toBe(next);
      expect(of.count(after, next)).toBe(1);
      after = next;
    }
  }
});

test("counts add up over a century, and the parts agree with the whole", () => {
  const random = seededRandom(9);
  for (let i = 0; i < 100; i++) {
    const texts = Array.from({ length: 1 + (i % 4) }, () => randomExpression(random, i % 2 === 0));
    const of = cron(
      texts,
      pick(random, ["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
    );
    const until = NEW_YEAR + 36_525 * DAY_MS;
    const middle = NEW_YEAR + Math.floor(random() * (until - NEW_YEAR));
    expect(of.count(NEW_YEAR, middle) + of.count(middle, until)).toBe(of.count(NEW_YEAR, until));
  }
});

test.each([
  ["two that coincide are one", ["0 9 * * *", "0 9 * * MON"], 7],
  ["two that do not coincide are two", ["0 9 * * *", "0 10 * * *"], 14],
  ["one within another", ["*/10 * * * *", "0 * * * *"], 1_008],
  ["second within minute", ["* * * * *", "0 0 12 * * *", "30 0 12 * * *"], 10_087],
])("joined expressions: %s", (_, texts, weekly) => {
  expect(cron(texts).count(NEW_YEAR - 1, NEW_YEAR - 1 + 7 * DAY_MS)).toBe(weekly);
});

test("a made-up run of one expression and a plain run of another at the same instant are one", () => {
  const of = cron(["30 2 * * *", "0 3 * * *"], "America/New_York");
  const [from, until] = instants(["2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"]);
  expect(of.count(from ?? 0, until ?? 0)).toBe(1);
  expect(of.latest(from ?? 0, until ?? 0)).toBe(parseInstant("2026-03-08T07:00:00Z", "expected"));
});

test("an interval counts and finds its last by arithmetic", () => {
  const of = make({ kind: "every", everyMs: 7_000 }, "UTC", 1_250);
  expect(of.count(0, 1_250)).toBe(0);
  expect(of.count(1_250, 8_250)).toBe(1);
  expect(of.count(8_250, 8_250)).toBe(0);
  expect(of.count(8_250, 0)).toBe(0);
  expect(of.count(0, NEW_YEAR)).toBe(Math.floor((NEW_YEAR - 1_250) / 7_000));
  expect(of.latest(0, 22_000)).toBe(15_250);
  expect(of.latest(15_250, 22_000)).toBeNull();
  expect(of.next(-1e15)).toBe(8_250);
});

test("instants come in order, each once, and end", () => {
  const of = make({ kind: "at", instants: [3_000, 1_000, 2_500, 1_000] });
  expect(chain(of, 0, 4)).toEqual([1_000, 2_500, 3_000, null]);
  expect([of.count(0, 2_500), of.count(1_000, 2_500), of.count(3_000, 9_000), of.count(9, 0)]).toEqual([
    2, 1, 0, 0,
  ]);
  expect([of.latest(0, 2_999), of.latest(1_000, 2_400), of.latest(0, 999)]).toEqual([2_500, null, null]);
});

test("nothing occurs after the year 9999", () => {
  const last = Date.UTC(9999, 11, 31, 23, 59);
  expect(cron("* * * * *").next(last - 1)).toBe(last);
  expect(cron("* * * * *").next(last)).toBeNull();
  expect(cron("* * * * *", "America/New_York").next(last)).toBeNull();
  expect(make({ kind: "every", everyMs: 60_000 }).next(last)).toBeNull();
  expect(cron("* * * * *").count(last - 1, 8.64e15)).toBe(1);
  expect(cron("0 0 29 2 *").latest(-8.64e15, 8.64e15)).toBe(Date.UTC(9996, 1, 29));
});

test.each([
  ["5m", { kind: "every", everyMs: 300_000 }],
  [" 1h30m ", { kind: "every", everyMs: 5_400_000 }],
  ["@daily", { kind: "cron", cron: ["@daily"] }],
  [" 30 9 * * MON-FRI", { kind: "cron", cron: ["30 9 * * MON-FRI"] }],
] as const)("%j says when", (text, spec) => {
  expect<unknown>(parseWhen(text, "when")).toEqual(spec);
});

test.each([
  ["", "does not say when"],
  ["soon", "does not say when"],
  ["-5m", "does not say when"],
  ["500ms", "is too short"],
  ["5x", "is not a duration"],
  ["2026-01-01T00:00:00Z", "is not a cron expression"],
  ["0 0 30 2 *", "never fires"],
  ["x".repeat(1_000_000), "too long"],
])("%.20j does not say when: %s", (text, message) => {
  expect(() => parseWhen(text, "when")).toThrow(message);
});

test.each([999, 0, -1, 1.5, Number.NaN, Infinity])("an interval of %d ms is refused", (everyMs) => {
  expect(() => checkEvery(everyMs, "every")).toThrow(/^every: /);
});

test("a schedule joins 1 to 16 expressions, and the one that is wrong is named", () => {
  expect(() => cronSpec([], "cron")).toThrow(Fault);
  expect(() =>
    cronSpec(
      Array.from({ length: 17 }, () => "@daily"),
      "cron",
    ),
  ).toThrow(/17/);
  expect(() => cronSpec(["@daily", "0 24 * * *"], "cron")).toThrow(/^cron\[1\]: the hour "24"/);
});

test.each(["Europe/Vaduz", "America/Nome", "Asia/Beirut", "Pacific/Norfolk", "Africa/Ceuta"])(
  "an occurrence forty years away is found in %s",
  (zone) => {
    const leapSunday = cron("30 2 */28 2 SUN#5", zone).next(Date.UTC(2088, 2, 1));
    expect(new Date(leapSunday ?? 0).getUTCFullYear()).toBe(2128);
  },
);

test("the zone of the process changes nothing", async () => {
  const program = `
    import { recurrence } from ${JSON.stringify(new URL("./recurrence.ts", import.meta.url).pathname)};
    const change = { dstGap: "run-after", dstFold: "first" };
    const ask = (cron, timezone) => recurrence({ spec: { kind: "cron", cron: [cron] }, timezone, anchor: 0, ...change });
    const all = [];
    for (const zone of ["UTC", "America/New_York", "Asia/Kolkata"]) {
      for (let i = 0, at = ${NEW_YEAR}; i < 400; i++) all.push((at = ask("30 2 * * *", zone).next(at)));
    }
    process.stdout.write(JSON.stringify(all));`;
  const run = (TZ: string) =>
    Bun.spawn([process.execPath, "-e", program], { env: { TZ }, stdout: "pipe" }).stdout.text();
  const [here, there, elsewhere] = await Promise.all(["UTC", "Pacific/Chatham", "America/New_York"].map(run));
  expect(JSON.parse(here ?? "")).toHaveLength(1_200);
  expect(there).toBe(here ?? "");
  expect(elsewhere).toBe(here ?? "");
});
