/** A window that slides, against every span of its length. */
import { expect, test } from "bun:test";
import { type Happened, leftBefore, stepAt, totalOf, waitForRoom } from "./window.ts";

const LIMIT = 20;

test.each([[{ windowMs: 1_000, stepMs: 1 }], [{ windowMs: 1_000, stepMs: 100 }]])(
  "%p: no span of its length has more than the limit, and who waits as told gets in",
  (window) => {
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state % below;
    };
    const kept: Happened[] = [];
    const taken: Happened[] = [];
    let waits = 0;
    for (let now = 10_000, tries = 0; tries < 800; tries++, now += random(60)) {
      const within = () => kept.filter(({ at }) => at > leftBefore(now, window));
      const wanted = 1 + random(4);
      const waitMs = waitForRoom(within(), { limit: LIMIT, window, wanted }, now);
      if (waitMs !== null) {
        waits++;
        now += waitMs - 1;
        expect(waitForRoom(within(), { limit: LIMIT, window, wanted }, now)).toBe(1);
        now++;
      }
      expect(waitForRoom(within(), { limit: LIMIT, window, wanted }, now)).toBeNull();
      kept.push({ at: stepAt(now, window), count: wanted });
      taken.push({ at: now, count: wanted });
      const span = taken.filter(({ at }) => at > now - window.windowMs);
      expect(totalOf(span)).toBeLessThanOrEqual(LIMIT);
    }
    expect(waits).toBeGreaterThan(50);
  },
);
