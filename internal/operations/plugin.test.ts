import { expect, test } from "bun:test";
import type { PluginState } from "../plugin/plugin.ts";
import { hintOf, withHint } from "./plugin.ts";

const rows: [state: PluginState, startsAgain: boolean, shown: string][] = [
  ["failed", true, "Why. It is started again by itself; at once with: qntx plugin restart tides"],
  ["failed", false, "Why. When that is mended: qntx plugin restart tides"],
  ["quarantined", false, "Why. Start it again with: qntx plugin restart tides"],
  ["unresponsive", false, "Why. If it stays so: qntx plugin restart tides"],
  ["stopped", false, "Why. Start it with: qntx plugin start tides"],
  ["late", false, "Why. See what it says: qntx plugin logs tides"],
  ["ready", false, "Why"],
];

test.each(rows)("who is %s (again by itself: %p) is shown with the way out", (state, startsAgain, shown) => {
  const hint = hintOf({ name: "tides", state, startsAgain });
  expect(withHint("Why", hint)).toBe(shown);
  expect(withHint("", hint)).toBe(hint);
});
