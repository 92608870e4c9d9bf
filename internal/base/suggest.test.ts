/** The slips that people make are recognised; other words are left alone. */
import { expect, test } from "bun:test";
import { nearest, nearestOfParts } from "./suggest.ts";

const KNOWN = ["schedule", "serve", "status", "pause", "port", "constructor"];

// written, meant
const CASES: readonly (readonly [string, string | undefined])[] = [
  ["shedule", "schedule"],
  ["schedlue", "schedule"],
  ["sched", "schedule"],
  ["puase", "pause"],
  ["Pause", "pause"],
  ["prot", "port"],
  ["pots", undefined],
  ["banana", undefined],
  ["", undefined],
  ["x".repeat(10_000), undefined],
];

for (const [written, meant] of CASES) {
  test(`${JSON.stringify(written.slice(0, 12))} is taken for ${meant ?? "nothing"}`, () => {
    expect(nearest(written, KNOWN)).toBe(meant);
  });
}

const HANDLERS = ["python.report", "shell.beat", "shell.night"];

// written, meant
const PARTS: readonly (readonly [string, string | undefined])[] = [
  ["beat", "shell.beat"],
  ["python.beat", "shell.beat"],
  ["shel.beat", "shell.beat"],
  ["nihgt", "shell.night"],
  ["ixgest.git", undefined],
];

for (const [written, meant] of PARTS) {
  test(`among names of parts, ${written} is taken for ${meant ?? "nothing"}`, () => {
    expect(nearestOfParts(written, HANDLERS)).toBe(meant);
  });
}
