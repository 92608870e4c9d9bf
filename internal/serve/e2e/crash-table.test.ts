/**
 * Everything that a plugin can do wrong, done to one host, beside a plugin that works:
 * a slice of `bun scripts/prove/crashes.ts`, which also holds the times to what is
 * promised, on a machine that does little else.
 */
import { expect, test } from "bun:test";
import { CAST, crashRows } from "./crash-faults.ts";
import { type CrashRow, CrashScene } from "./crash-scene.ts";

const COMPUTE_MS = 6_000; // Longer than a stopped process lives, and than the grace of a cancellation.
const STORY_LIMIT_MS = 240_000;

test(
  "whatever plugins do, every job ends once, the others notice nothing, and no process is left",
  async () => {
    await using scene = new CrashScene(CAST);
    const rows: CrashRow[] = [];
    for await (const row of crashRows(scene, { computeMs: COMPUTE_MS })) rows.push(row);
    rows.push(await scene.end());
    expect(rows.flatMap(({ fault, broken }) => broken.map((sentence) => `${fault}: ${sentence}`))).toEqual(
      [],
    );
    for (const { fault, figure, unit, limit } of rows) {
      if (unit !== "ms") expect({ fault, holds: figure <= limit }).toEqual({ fault, holds: true });
    }
  },
  STORY_LIMIT_MS,
);
