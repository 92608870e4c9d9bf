import { describe, expect, test } from "bun:test";
import { parsePath, readPath } from "./json-path.ts";

const DOCUMENT = {
  items: [
    { id: 1, name: "one", tags: ["a", "b"] },
    { id: 2, name: "two", tags: [] },
    { id: 3, name: null },
  ],
  a: { b: [[10, 11], "x"], "": "empty", "with.dot": true, "it's": 1, 'say "hi"': 2, "x]y": 3, "*": 4 },
  ünï: "ö",
};

describe("a path", () => {
  const found: [path: string, ...found: unknown[]][] = [
    ["$", DOCUMENT],
    ["$.items[*].name", "one", "two", null],
    ["$.items[*].tags[*]", "a", "b"],
    ["$.items[*].tags", ["a", "b"], []],
    ["$.items[0].id", 1],
    ["$.items[-1].id", 3],
    ["$.items[3].id"],
    ["$.items[-4].id"],
    ["$.items.length"],
    ["$.a.b[0]", [10, 11]],
    ["$.a.b[0][1]", 11],
    ["$.a.b[*][*]", 10, 11],
    ["$.a.b[1][0]"],
    ["$.a[0]"],
    ["$.a.*", ...Object.values(DOCUMENT.a)],
    ["$['a']['with.dot']", true],
    ['$["a"]["with.dot"]', true],
    ["$.a['it\\'s']", 1],
    ['$.a["it\'s"]', 1],
    ['$.a["say \\"hi\\""]', 2],
    ["$.a['x]y']", 3],
    ["$.a['*']", 4],
    ["$.a['']", "empty"],
    ["$.ünï", "ö"],
    ["$.no.such.thing"],
    ["$.constructor"],
    ["$.__proto__"],
    ["$.items['0']"],
  ];
  test.each(found)("%s", (path, ...values) => {
    const parsed = parsePath(path);
    if (!("steps" in parsed)) throw new Error(parsed.problem);
    expect(readPath(DOCUMENT, parsed.steps)).toEqual(values);
  });

  const refused: [path: string, problem: RegExp][] = [
    ["", /must start with "\$"/],
    ["items", /must start with "\$"/],
    ["$items", /cannot be read from "items" on/],
    ["$.", /cannot be read from "\." on/],
    ["$..name", /cannot be read from "\.\.name" on/],
    ["$.items[", /cannot be read from "\[" on/],
    ["$.items[1.5]", /cannot be read from "\[1\.5\]" on/],
    ["$.items[?(@.id)]", /cannot be read from "\[\?/],
    ["$.items['a]", /cannot be read from "\['a\]" on/],
    ["$.items [0]", /cannot be read from " \[0\]" on/],
    [`$.${"x".repeat(500)}`, /longer than 500 characters/],
  ];
  test.each(refused)("%s is refused", (path, problem) => {
    const parsed = parsePath(path);
    expect("problem" in parsed ? parsed.problem : "").toMatch(problem);
  });

  test("into a field called __proto__ finds what the document says", () => {
    const parsed = parsePath("$.__proto__.a");
    expect("steps" in parsed && readPath(JSON.parse('{"__proto__": {"a": 1}}'), parsed.steps)).toEqual([1]);
  });
});
