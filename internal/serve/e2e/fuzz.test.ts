/** A hundred and fifty broken frames, from both sides, and a moment of each flood; `npm run prove` sends ten thousand, and floods for seconds. */
import { expect, test } from "bun:test";
import { fuzz } from "./fuzz.ts";

test("a host outlives broken frames to its callback server and spoilt answers of a plugin, and nobody reaches anything", async () => {
  const { frames, answers, trouble } = await fuzz({ frames: 150, seed: 1, floodMs: 50 });
  expect(trouble).toEqual([]);
  expect([frames >= 150, answers >= 150]).toEqual([true, true]);
}, 120_000);
