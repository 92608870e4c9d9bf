/** Patterns say what JavaScript says of them, in a time that has a bound. */
import { expect, test } from "bun:test";
import { parsePattern, Pattern } from "./pattern.ts";

function pattern(text: string): Pattern {
  const parsed = parsePattern(text);
  if (parsed instanceof Pattern) return parsed;
  throw new Error(`${text} ${parsed.wrong}`);
}

const HOST = "^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$";
const TEXTS = [
  "",
  "a",
  "aab",
  "abab",
  "b",
  "A1_",
  "a b",
  "a\nb",
  "x.y",
  "😀",
  "\ud83d",
  "e\u0301",
  "ex-a.mple.org",
  "a]",
];

test.each([
  "",
  "a",
  "^a+$",
  "^(a|b)*$",
  "^(?:ab){2}$",
  "^(?<twice>ab){1,}?",
  "a{0,2}b",
  "^a?b??$",
  "^.$",
  "^..$",
  "^[^a]$",
  "[\\]]",
  "[\\w.-]+\\.org$",
  "\\bb",
  "\\Bb",
  "^\\p{Letter}+$",
  "\\u{1F600}",
  "\\ud83d\\ude00",
  "\\ud83d",
  "^\\S+\\s\\S+$",
  "\\x61|\\u0062",
  "(|a)b",
  "()",
  "(?:a*)*$",
  "^(?:^a|b$)*$",
  HOST,
])("%p is found where JavaScript finds it", (text) => {
  for (const value of TEXTS)
    expect([value, pattern(text).test(value)]).toEqual([value, new RegExp(text, "u").test(value)]);
});

test("so is whatever a dice throws", () => {
  let seed = 42;
  const roll = (sides: number) => (seed = (seed * 48_271) % 2_147_483_647) % sides;
  const pick = <T>(of: readonly T[]): T => of[roll(of.length)] as T;
  const make = (depth: number): string => {
    const one = depth === 0 ? pick(["a", "b", ".", "[ab]", "[^a]", "^", "$", "\\b"]) : `(${make(depth - 1)})`;
    const quantity = /^(?:[\^$]|\\b)/.test(one)
      ? ""
      : pick(["", "", "*", "+", "?", "{2}", "{1,3}", "*?", "{0}"]);
    const rest = roll(3) === 0 ? pick(["", "|"]) + make(Math.max(0, depth - 1)) : "";
    return one + quantity + rest;
  };
  for (let n = 0; n < 3_000; n++) {
    const text = make(roll(4));
    const value = Array.from({ length: roll(7) }, () => pick(["a", "b", "c"])).join("");
    const [ours, theirs] = [pattern(text).test(value), new RegExp(text, "u").test(value)];
    expect([text, value, ours]).toEqual([text, value, theirs]);
  }
});

test.each([
  ["^(a+)+$", false],
  ["^(a|a)*$", false],
  ["a*a*a*$", true],
  ["(?:a?){150}a{150}b", false],
  ["(?:a|b|ab)*c", false],
])("%p is held against the longest text in no time", (text, isFound) => {
  const begun = performance.now();
  expect(pattern(text).test(`${"a".repeat(999)}!`)).toBe(isFound);
  expect(performance.now() - begun).toBeLessThan(2_000); // The engine of JavaScript takes up to forty seconds.
});

test("what is too long is found nowhere, and is no pattern", () => {
  expect(parsePattern("a".repeat(1_001))).toEqual({ wrong: "has more than 1000 characters" });
  expect(pattern("a").test("a".repeat(1_000))).toBe(true);
  expect(pattern("a").test("a".repeat(1_001))).toBe(false);
});

test.each([
  ["(", "is none"],
  ["a{2,1}", "is none"],
  ["(?=a)", "has parts that have no bound, like (?=x) or \\1"],
  ["(?<!a)b", "has parts that have no bound, like (?=x) or \\1"],
  ["(a)\\1", "has parts that have no bound, like (?=x) or \\1"],
  ["((a)\\2)", "has parts that have no bound, like (?=x) or \\1"],
  ["(a)\\1{2}|b", "has parts that have no bound, like (?=x) or \\1"],
  ["(?i:a)", "has parts that have no bound, like (?=x) or \\1"],
  ["(?<x>a)\\k<x>", "has parts that have no bound, like (?=x) or \\1"],
  ["(a{1000}){1000}", "repeats too much"],
  ["(?:){1000000000}", "repeats too much"],
])("%p is not taken: it %s", (text, wrong) => {
  expect(parsePattern(text)).toEqual({ wrong });
});
