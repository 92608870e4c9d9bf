import { expect, test } from "bun:test";
import { realEnv } from "./env.ts";
import { ID_PATTERN, newId, newIds } from "./id.ts";

test.each([0, 1, 2_500])(
  "%d ids that are made together are ids in order, and none is there twice",
  (count) => {
    const ids = newIds(realEnv, "JB", count);
    expect(new Set([...ids, newId(realEnv, "JB")]).size).toBe(count + 1);
    expect(ids.toSorted()).toEqual(ids);
    expect(ids.every((id) => ID_PATTERN.test(id))).toBe(true);
  },
);
