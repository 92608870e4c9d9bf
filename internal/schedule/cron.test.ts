/** Cron: what is an expression, what is none, and what a refusal says. */
import { expect, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import { parseCron } from "./cron.ts";
import { dateHolds } from "./oracle.ts";
import vectors from "./vectors/cron.json" with { type: "json" };

function refusalOf(text: string): Fault {
  try {
    parseCron(text, "cron");
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(text.slice(0, 40))} was accepted.`);
}

/** The days of a month that an expression matches. */
function daysOf(text: string, year: number, month: number): number[] {
  const first = new Date(Date.UTC(year, month - 1, 1));
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const mask = parseCron(text, "cron").days[(length - 28) * 7 + first.getUTCDay()] ?? 0;
  return Array.from({ length }, (_, i) => i + 1).filter((day) => (mask & (1 << (day - 1))) !== 0);
}

test.each(vectors.invalid)("vector $id: $expr is refused", ({ expr }) => {
  expect(refusalOf(expr).code).toBe("usage");
});

test.each([
  // The part and the value that are wrong, and the way out.
  ["60 * * * *", 'cron: the minute "60" in "60 * * * *" is out of range.', "0 to 59"],
  ["0 0 * JUNE *", 'the month "JUNE"', "JUN"],
  ["0 22-2 * * *", 'the hour "22-2" in "0 22-2 * * *" runs backwards.', "22-23,0-2"],
  ["0 0 * * 5-0", 'the day of week "5-0"', "5-7,0-0"],
  ["5/15 * * * *", "has a step but no range", "5-59/15"],
  ["*/5/5 * * * *", "has two steps", "*/15"],
  ["1-2-3 * * * *", "has too many dashes", "1-5"],
  ["0 0 * * *#2", "names no weekday", "FRI#2"],
  ["0 0 * * FRI#6", "is not understood", "1 to 5, or L"],
  ["0 0 32W * *", 'the day of month "32W"', "1 to 31"],
  ["0 0 1-5W * *", 'the day of month "1-5W"', "1 to 31"],
  ["1,,2 * * * *", 'the minute ""', "0 to 59"],
  ["? 0 * * *", 'the minute "?"', "0 to 59"],
  ["0 0 ?/2 * *", 'the day of month "?/2"', "1 to 31"],
  ["0 0 1 1 1 1 2030", "it has 7 parts, not 5 or 6", "minute, hour"],
  ["2026-01-01T00:00:00Z", "is not a cron expression", "`at`"],
  ["@reboot", '"@reboot" is not a cron expression.', "@daily"],
  ["@every 5m", "is not a cron expression", '"5m"'],
  ["0 0 * * MON\n0 0 * * *", "it has 9 parts", "minute, hour"],
])("%j is refused: %s", (text, message, hint) => {
  const fault = refusalOf(text);
  expect(fault.message).toContain(message);
  expect(fault.hint).toContain(hint);
  expect(fault.fields.map(({ field }) => field)).toEqual(["cron"]);
});

test.each(["x", " ", "*", ",", "-", "/", "1,", "*/", "#", "L", "@", "0 ", "\u0000", "é"])(
  "a megabyte of %j is refused in less than 5 ms",
  (unit) => {
    const text = unit.repeat(Math.ceil(1_048_576 / unit.length));
    refusalOf(text); // The first one pays for warming up.
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      refusalOf(text);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(5); // The best of five: the machine may be busy.
  },
);

test("an expression may be as long as the limit, and no longer", () => {
  const longest = `${"0,".repeat(123)}0 * * * *`.padEnd(256);
  expect(parseCron(longest, "cron").minutes.count).toBe(1);
  expect(refusalOf(`${longest} `).message).toContain("257 characters");
});

test.each([
  ["mon", "1"],
  ["MON-FRI", "1-5"],
  ["7", "0"],
  ["5-7", "FRI-SUN"],
  ["0-7", "*"],
  ["*/2", "0,2,4,6"],
  ["1-7/2", "1,3,5,0"],
  ["FRIL", "5#L"],
  ["MON-WED#1", "1#1,2#1,3#1"],
])("day of week %s means the same as %s", (one, other) => {
  expect(parseCron(`0 0 * * ${one}`, "cron").days).toEqual(parseCron(`0 0 * * ${other}`, "cron").days);
});

test.each([
  // February 2026 begins on a Sunday and has 28 days; August 2026 begins on a Saturday and has 31.
  ["0 0 L * *", 2026, 2, [28]],
  ["0 0 LW * *", 2026, 2, [27]],
  ["0 0 1W * *", 2026, 2, [2]],
  ["0 0 1W * *", 2026, 8, [3]],
  ["0 0 15W * *", 2026, 8, [14]],
  ["0 0 31W * *", 2026, 2, []],
  ["0 0 30W * *", 2026, 8, [31]],
  ["0 0 28W * *", 2026, 2, [27]],
  ["0 0 31W * *", 2026, 5, [29]],
  ["0 0 LW * *", 2026, 5, [29]],
  ["0 0 * * SAT#5", 2026, 8, [29]],
  ["0 0 * * SUN#5", 2026, 2, []],
  ["0 0 * * FRI#L", 2026, 8, [28]],
  ["0 0 1,15 * MON#1", 2026, 8, [1, 3, 15]],
  // Both day fields: either suffices, unless one begins with *.
  ["0 0 1 * MON", 2026, 2, [1, 2, 9, 16, 23]],
  ["0 0 */2 * MON", 2026, 2, [9, 23]],
  ["0 0 1-31/2 * MON", 2026, 8, [1, 3, 5, 7, 9, 10, 11, 13, 15, 17, 19, 21, 23, 24, 25, 27, 29, 31]],
  ["0 0 1 * */3", 2026, 8, [1]],
  ["0 0 ? * MON", 2026, 2, [2, 9, 16, 23]],
])("%s in %d-%d is on %j", (text, year, month, days) => {
  expect(daysOf(text, year, month)).toEqual(days);
});

test.each([
  // An expression with a second, minute or hour that begins with * follows elapsed time.
  ["30 2 * * *", true],
  ["0-59 0-23 * * *", true],
  ["*/5 2 * * *", false],
  ["0 * * * *", false],
  ["0 30 2 * * *", true],
  ["*/10 30 2 * * *", false],
  ["@daily", true],
  ["@hourly", false],
])("%s is fixed: %p", (text, fixed) => {
  expect(parseCron(text, "cron").fixed).toBe(fixed);
});

test.each([
  ["0 0 30 2 *", true],
  ["0 0 31 4,6,9,11 *", true],
  ["0 0 31W 6 *", true],
  ["0 0 29 2 *", false],
  ["0 0 */28 2 SUN#5", false], // The 29th is a fifth Sunday once in 28 or 40 years.
  ["0 0 */29 2 SUN#5", true], // A step of 29 goes from the 1st to the 30th.
  ["0 0 30 2 MON", false], // Either day suffices.
  ["0 0 * 2 MON#5", false], // In a leap year that begins right.
  ["0 0 30,31 2 ?", true],
])("%s never fires: %p", (text, neverFires) => {
  expect(parseCron(text, "cron").neverFires).toBe(neverFires);
});

test("an expression never fires exactly when no day of 400 years holds", () => {
  const days = Array.from({ length: 146_097 }, (_, day) => new Date(Date.UTC(2000, 0, 1 + day)));
  for (const [dayOfMonth, month, dayOfWeek] of [
    ["29", "2", "*"],
    ["30", "2", "*"],
    ["*/29", "2", "*/7"],
    ["29W", "2", "*"],
    ["*", "2", "SUN#5"],
    ["31W", "4-6/2", "?"],
    ["31", "2,4,6,9,11", "*"],
  ] as const) {
    const holds = days.some((date) => dateHolds(date, dayOfMonth, month, dayOfWeek));
    const cron = parseCron(`0 0 ${dayOfMonth} ${month} ${dayOfWeek}`, "cron");
    expect([cron.text, cron.neverFires]).toEqual([cron.text, !holds]);
  }
});
