/** Days: our calendar is the platform's, month by month. */
import { expect, test } from "bun:test";
import { firstDayOf, MONTH_SHAPES, monthOf, shapeOf, weekdayOf } from "./days.ts";

const YEARS = 10_000;

test("every month of the years 0 to 9999 begins, ends and has the shape that Date says", () => {
  const wrong: number[] = [];
  const date = new Date(0);
  for (let month = 0; month < YEARS * 12; month++) {
    const first = date.setUTCFullYear(Math.floor(month / 12), month % 12, 1) / 86_400_000;
    const firstWeekday = date.getUTCDay();
    const last = date.setUTCFullYear(Math.floor(month / 12), (month % 12) + 1, 0) / 86_400_000;
    const shape = (last - first - 27) * 7 + firstWeekday;
    const right =
      firstDayOf(month) === first &&
      monthOf(first) === month &&
      monthOf(last) === month &&
      weekdayOf(first) === firstWeekday &&
      shapeOf(first, last + 1) === shape &&
      shape < MONTH_SHAPES;
    if (!right) wrong.push(month);
  }
  expect(wrong).toEqual([]);
});
