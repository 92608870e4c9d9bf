/** What is said of something that keeps failing. */
import { expect, test } from "bun:test";
import type { Log } from "../base/log.ts";
import { Trouble } from "./trouble.ts";

test("trouble is said when it begins, when it becomes another, and when it is over", () => {
  const said: unknown[] = [];
  const note = (message: string, fields?: unknown) => said.push([message, fields]);
  const log: Log = { debug() {}, info: note, warn() {}, error: note };
  const trouble = new Trouble(log);
  trouble.over("works");
  const rows = ["full", "full", "full", "gone"].map((error) => trouble.failed("fails", new Error(error)));
  expect(rows).toEqual([1, 2, 3, 4]);
  trouble.over("works");
  trouble.over("works");
  expect(trouble.failed("fails", new Error("full"))).toBe(1);
  expect(said).toEqual([
    ["fails", { error: "full" }],
    ["fails", { error: "gone" }],
    ["works", { failures: 4 }],
    ["fails", { error: "full" }],
  ]);
});
