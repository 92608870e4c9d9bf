import { describe, expect, test } from "bun:test";
import { Frontier } from "./frontier.ts";

describe("a frontier", () => {
  const cases: [string, string[], [hash: string, parents: string][], string[]][] = [
    ["starts with what was known", ["a"], [], ["a"]],
    [
      "moves along a line",
      ["a"],
      [
        ["b", "a"],
        ["c", "b"],
      ],
      ["c"],
    ],
    [
      "forks",
      [],
      [
        ["a", ""],
        ["b", "a"],
        ["c", "a"],
      ],
      ["b", "c"],
    ],
    ["joins at a merge", ["b", "c"], [["d", "b c"]], ["d"]],
    ["keeps what nothing new stands on", ["a", "x"], [["b", "a"]], ["x", "b"]],
    ["does not mind a parent that was never read", [], [["b", "old"]], ["b"]],
  ];
  test.each(cases)("%s", (_, known, commits, heads) => {
    const frontier = new Frontier(known);
    for (const [hash, parents] of commits) frontier.add({ hash, parents: parents.split(" ") });
    expect(frontier.heads()).toEqual(heads);
  });
});
