/** The exit codes are a contract: the README says the same as the code. */
import { expect, test } from "bun:test";
import { Fault } from "../../internal/base/fault.ts";
import { EXIT_MEANINGS, type ExitCode, exitCodeOf, Interrupted } from "./exit.ts";

test("the README lists every exit code and its meaning", async () => {
  const readme = await Bun.file(`${import.meta.dir}/README.md`).text();
  const rows = [...readme.matchAll(/^\| (\d+) +\| (.+?) +\|$/gm)].map(([, code, meaning]) => [
    Number(code),
    meaning,
  ]);
  expect(rows).toEqual(EXIT_MEANINGS.map(([code, meaning]) => [code, meaning]));
});

// what is thrown, exit code
const THROWN: readonly (readonly [string, unknown, ExitCode])[] = [
  ["a wrong line", new Fault("usage", ""), 2],
  ["a wrong configuration", new Fault("config", ""), 3],
  ["something missing", new Fault("not-found", ""), 4],
  ["a conflict", new Fault("conflict", ""), 5],
  ["no host", new Fault("unreachable", ""), 6],
  ["too slow", new Fault("timeout", ""), 7],
  ["not allowed", new Fault("denied", ""), 1],
  ["a limit", new Fault("exhausted", ""), 1],
  ["a failure", new Fault("failed", ""), 1],
  ["Ctrl-C", new Interrupted(), 130],
  ["a mistake of ours", new TypeError(""), 1],
];

for (const [what, error, code] of THROWN) {
  test(`${what} ends with ${code}`, () => {
    expect(exitCodeOf(error)).toBe(code);
  });
}
