/** Words: a person reads when a schedule fires, and is not misled about it. */
import { expect, test } from "bun:test";
import { describeSpec } from "./words.ts";

test.each([
  ["* * * * *", "Every minute"],
  ["*/5 * * * *", "Every 5 minutes"],
  ["*/10 * * * * *", "Every 10 seconds"],
  ["@daily", "At 00:00"],
  ["0 9 * * MON-FRI", "At 09:00, Monday through Friday"],
  ["0 0 * * FRI#L", "At 00:00, on the last Friday of the month"],
  ["0 0 * * 5#2", "At 00:00, on the second Friday of the month"],
  ["0 0 LW * *", "At 00:00, on the last weekday of the month"],
  ["0 12 1 JAN,JUL *", "At 12:00, on day 1 of the month, only in January and July"],
])("%s is said as cronstrue says it", (cron, words) => {
  expect(describeSpec({ kind: "cron", cron: [cron] }, "UTC")).toBe(`${words}, UTC`);
});

test.each([
  // Either day field suffices, unless one of them begins with *.
  ["0 0 15 * MON", "At 00:00, on day 15 of the month or on Monday"],
  ["0 0 1-15 * 1-5", "At 00:00, between day 1 and 15 of the month or Monday through Friday"],
  [
    "0 0 L 2 FRI#2",
    "At 00:00, on the last day of the month or on the second Friday of the month, only in February",
  ],
  ["0 0 */2 * 1", "At 00:00, every 2 days in a month, and only on Monday"],
  // A step that does not divide the hour is not an interval.
  ["*/45 * * * *", "At 0 and 45 minutes past the hour"],
  ["0 */7 * * *", "At 00:00, 07:00, 14:00 and 21:00"],
  ["*/15 */6 * * *", "Every 15 minutes, every 6 hours"],
])("%s is said right where cronstrue misleads", (cron, words) => {
  expect(describeSpec({ kind: "cron", cron: [cron] }, "UTC")).toBe(`${words}, UTC`);
});

test.each(["0 0 15W,L * *", "0 0 1,* * 1", "0 0 * * 1#1,FRI#L"])(
  "%s, which cronstrue garbles, is shown as it is",
  (cron) => {
    expect(describeSpec({ kind: "cron", cron: [cron] }, "Asia/Tokyo")).toBe(`Cron ${cron}, Asia/Tokyo`);
  },
);

test("joined expressions are joined in words", () => {
  const words = describeSpec({ kind: "cron", cron: ["0 9 * * MON-FRI", "0 11 * * SAT"] }, "Europe/London");
  expect(words).toBe("At 09:00, Monday through Friday; and at 11:00, only on Saturday, Europe/London");
});

test.each([
  [1_000, "Every second"],
  [300_000, "Every 5 minutes"],
  [86_400_000, "Every day"],
  [5_400_500, "Every 1 hour 30 minutes 500 milliseconds"],
])("an interval of %d ms", (everyMs, words) => {
  expect(describeSpec({ kind: "every", everyMs }, "UTC")).toBe(words);
});

test("instants are said in the schedule's zone", () => {
  const [morning, later] = [Date.UTC(2026, 6, 1, 8), Date.UTC(2026, 11, 1, 8, 0, 30)];
  const say = (...instants: number[]) => describeSpec({ kind: "at", instants }, "Europe/Amsterdam");
  expect(say(morning)).toBe("Once, at 2026-07-01 10:00, Europe/Amsterdam");
  expect(say(later, morning)).toBe(
    "At 2 instants from 2026-07-01 10:00 to 2026-12-01 09:00:30, Europe/Amsterdam",
  );
});
