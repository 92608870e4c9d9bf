/** Runs of many schedules, counted. */
import { expect, test } from "bun:test";
import { Tally } from "./tally.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

function tallied(runs: readonly (readonly [number, number])[]): Tally {
  const tally = new Tally({ from: 0, to: 2 * HOUR });
  for (const [startsAt, tookMs] of runs) tally.add({ startsAt, endsAt: startsAt + tookMs });
  return tally;
}

test("runs per minute and hour, and the most at once", () => {
  const tally = tallied([
    [0, 90 * SECOND],
    [59 * SECOND, 2 * SECOND],
    [61 * SECOND, SECOND],
    [HOUR, 0],
    [HOUR, 0],
    [HOUR + 5 * MINUTE, 0],
  ]);
  expect(tally.fires).toBe(6);
  expect(tally.busiest(2)).toEqual([
    { at: 0, fires: 2 },
    { at: HOUR, fires: 2 },
  ]);
  expect(tally.hours()).toEqual([
    { at: 0, fires: 3, peak: 2 },
    { at: HOUR, fires: 3, peak: 2 },
  ]);
  expect(tally.mostAtOnce()).toEqual({ runs: 2, at: 59 * SECOND });
});

test("what lies outside of the span does not count, and nothing is nothing", () => {
  expect(tallied([[2 * HOUR, SECOND]]).fires).toBe(0);
  expect(tallied([]).mostAtOnce()).toEqual({ runs: 0, at: null });
  expect(tallied([]).busiest(3)).toEqual([]);
  expect(tallied([[2 * HOUR - 1, HOUR]]).mostAtOnce().runs).toBe(1);
});
