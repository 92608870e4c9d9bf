/** Holds that a loop that is held is seen. */
import { expect, test } from "bun:test";
import { realEnv } from "../base/env.ts";
import { LoopDelay } from "./loop-delay.ts";

const HELD_MS = 100;
const TURN_MS = 20; // The score's own timer has rung once more by then.

test("what holds the event loop is the worst of the last minute", async () => {
  const stop = new AbortController();
  const loop = new LoopDelay(realEnv);
  expect(loop.lately).toEqual({ p99Ms: 0, worstMs: 0 });
  const running = loop.run({ stop: stop.signal, abort: stop.signal });
  while (loop.lately.worstMs < HELD_MS / 2) {
    Bun.sleepSync(HELD_MS);
    await Bun.sleep(TURN_MS);
  }
  expect(loop.lately.p99Ms).toBeLessThanOrEqual(loop.lately.worstMs);
  stop.abort();
  await running;
});
