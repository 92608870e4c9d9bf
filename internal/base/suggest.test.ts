/** The slips that people make are recognised; other words are left alone. */
import { expect, test } from "bun:test";
import { nearest } from "./suggest.ts";

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
