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
