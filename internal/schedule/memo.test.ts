/** Memo: it answers as the function would, and does not grow beyond its limit. */
import { expect, test } from "bun:test";
import { Memo } from "./memo.ts";

test("an answer is worked out once, until it was pushed out by newer ones", () => {
  const worked: number[] = [];
  const memo = new Memo<number, { twice: number }>(2, (key) => {
    worked.push(key);
    return { twice: key * 2 };
  });
  expect([1, 1, 2, 1, 3, 2].map((key) => memo.get(key).twice)).toEqual([2, 2, 4, 2, 6, 4]);
  expect(worked).toEqual([1, 2, 3]);
  memo.get(1);
  expect(worked).toEqual([1, 2, 3, 1]);
});

test("what the function throws is thrown, and not remembered", () => {
  let asked = 0;
  const memo = new Memo<string, object>(2, () => {
    asked++;
    throw new Error("no answer");
  });
  expect(() => memo.get("a")).toThrow("no answer");
  expect(() => memo.get("a")).toThrow("no answer");
  expect(asked).toBe(2);
});
