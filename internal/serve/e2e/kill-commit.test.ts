/** A host that dies in the middle of a commit: a few of the points that `bun scripts/prove/commit.ts` tries. */
import { expect, test } from "bun:test";
import { killMidCommit } from "./kill-commit.ts";

test("a host that dies between two writes of a commit has everything that it acknowledged", async () => {
  const report = await killMidCommit({ points: 6, seed: 1 });
  expect(report.broken).toEqual([]);
  expect(report.met).toBeGreaterThan(0);
  expect(report.acknowledged).toBeGreaterThan(0);
}, 120_000);
