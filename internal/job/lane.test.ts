import { expect, test } from "bun:test";
import { handlerOfLane, laneOf, partsOf } from "./lane.ts";

test.each([
  ["a.b", "", "", "a.b", "a.b"],
  ["p/a.b", "", "p", "a.b", "a.b"],
  ["acme@a.b", "acme", "", "a.b", "acme@a.b"],
  ["acme@p/a.b", "acme", "p", "a.b", "acme@a.b"],
  ["p/POST /a/@b", "", "p", "POST /a/@b", "POST /a/@b"],
  ["acme@p/POST /a/@b", "acme", "p", "POST /a/@b", "acme@POST /a/@b"],
])("%s", (lane, tenant, plugin, handler, limits) => {
  expect(partsOf(lane)).toEqual({ tenant, plugin, handler });
  expect(laneOf({ tenant, plugin, handler })).toBe(lane);
  expect(handlerOfLane(lane)).toBe(limits);
});
