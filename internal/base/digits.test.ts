/** Which numbers are the same after they were read. */
import { expect, test } from "bun:test";
import { lostDigits } from "./digits.ts";

test.each([
  // JSON                                        the number that would change
  ['{"id": 12345678901234567890}', "12345678901234567890"],
  ["[9007199254740993]", "9007199254740993"],
  ["[-9007199254740993]", "-9007199254740993"],
  ["[1e999]", "1e999"],
  ["[1E+400]", "1E+400"],
  ["[9007199254740992, 12345678901234567000, 10000000000000000000, 1e20, 0.12345678901234567890]", undefined],
  ['{"12345678901234567890": "12345678901234567890\\"1"}', undefined],
  ["{}", undefined],
])("%s", (json, number) => {
  expect(lostDigits(json)).toBe(number);
});

test.each([
  // A megabyte that took 200 ms once, because of how it was looked through.
  ["in quotes", JSON.stringify("1".repeat(1_000_000)), false],
  ["as a number", "1".repeat(1_000_000), true],
  ["behind backslashes", JSON.stringify('\\"1'.repeat(250_000) + "1".repeat(16)), false],
  ["behind a quote that nothing ends", `"${'\\"1'.repeat(250_000)}${"1".repeat(16)}`, false],
  ["in many texts", JSON.stringify(Array(50_000).fill("1".repeat(18))), false],
])("a megabyte of digits %s is looked through", (_, json, changes) => {
  expect(lostDigits(json) !== undefined).toBe(changes);
});

// Sixteen digits in a row are found wherever they stand, and fifteen are none.
test.each(Array.from({ length: 20 }, (_, before) => before))("digits behind %d characters", (before) => {
  const json = (digits: string) => `${" ".repeat(before)}${digits} `;
  expect(lostDigits(json("9007199254740993"))).toBe("9007199254740993");
  expect(lostDigits(json("900719925474099"))).toBeUndefined();
});
