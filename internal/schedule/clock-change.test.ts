/** What schedules do on the days on which the clocks are changed. */
import { expect, test } from "bun:test";
import { changesIn, shiftAt } from "./clock-change.ts";
import { type Policy, POLICY_DEFAULT } from "./schedule.ts";

const timezone = "Europe/Amsterdam";
const year = { from: Date.UTC(2026, 0, 1), to: Date.UTC(2027, 0, 1) };
const [spring, autumn] = changesIn(timezone, year);
const time = (at: number) => new Date(at).toISOString().slice(11, 16);

test("a zone's changes of a year", () => {
  expect(changesIn(timezone, year).map(({ at }) => new Date(at).toISOString())).toEqual([
    "2026-03-29T01:00:00.000Z",
    "2026-10-25T01:00:00.000Z",
  ]);
  expect(changesIn("UTC", year)).toEqual([]);
});

test.each([
  // cron            when      policy                    runs then     and not then
  ["30 2 * * *", spring, {}, ["03:00"], ["02:30"]],
  ["30 2 * * *", spring, { dstGap: "skip" }, [], ["02:30"]],
  ["*/30 * * * *", spring, {}, [], ["02:00", "02:30"]],
  ["30 2 * * *", autumn, {}, [], []],
  ["30 2 * * *", autumn, { dstFold: "both" }, ["02:30"], []],
  ["*/30 * * * *", autumn, {}, ["02:00", "02:30"], []],
  ["0 9 * * *", spring, {}, [], []],
] as [string, typeof spring, Partial<Policy>, string[], string[]][])(
  "%s at %o with %j",
  (cron, change, policy, added, missing) => {
    if (!change) throw new Error("there is no change");
    const definition = {
      spec: { kind: "cron" as const, cron: [cron] },
      timezone,
      anchor: 0,
      policy: { ...POLICY_DEFAULT, ...policy },
    };
    const shift = shiftAt(definition, change);
    expect([shift.added.map(time), shift.missing.map(time)]).toEqual([added, missing]);
  },
);
