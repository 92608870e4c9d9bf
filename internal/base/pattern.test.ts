/** Patterns are RE2's, and cost what a bound says. */
import { expect, test } from "bun:test";
import { parsePattern } from "./pattern.ts";

async function isFound(source: string, text: string): Promise<boolean> {
  const pattern = await parsePattern(source);
  if ("wrong" in pattern) throw new Error(`${source} ${pattern.wrong}`);
  return pattern.test(text);
}

test.each([
  ["", "", true],
  ["^a+$", "aaa", true],
  ["^a+$", "aab", false],
  ["^..$", "a😀", true],
  ["^\\p{L}+$", "Äb", true],
  ["(?i:a)", "A", true],
  ["^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", "ex-a.mple.org", true],
  ["^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", "ex-.org", false],
])("%p in %p", async (source, text, found) => {
  expect(await isFound(source, text)).toBe(found);
});

test.each([
  ["^(a+)+$", false],
  ["^(a|a)*$", false],
  ["a*a*a*$", true],
  ["(?:a?){150}a{150}b", false],
  ["(?:a|b|ab)*c", false],
])("%p is held against the longest text in no time", async (source, found) => {
  const begun = performance.now();
  expect(await isFound(source, `${"a".repeat(999)}!`)).toBe(found);
  expect(performance.now() - begun).toBeLessThan(2_000); // The engine of JavaScript takes up to forty seconds.
});

test("what is too long is found nowhere, and is no pattern", async () => {
  expect(await parsePattern("a".repeat(1_001))).toEqual({ wrong: "has more than 1000 characters" });
  expect(await isFound("a", "a".repeat(1_000))).toBe(true);
  expect(await isFound("a", "a".repeat(1_001))).toBe(false);
});

test.each([
  ["(", "RE2 does not take (missing closing ): `(`)"],
  ["(?=a)", "RE2 does not take (invalid or unsupported Perl syntax: `(?=`)"],
  ["(a)\\1", "RE2 does not take (invalid escape sequence: `\\1`)"],
  ["(a{1000}){1000}", "RE2 does not take (invalid repeat count: `{1000}`)"],
])("%p is not taken: it %s", async (source, wrong) => {
  expect(await parsePattern(source)).toEqual({ wrong });
});
