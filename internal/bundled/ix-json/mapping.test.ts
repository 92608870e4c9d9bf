import { describe, expect, test } from "bun:test";
import { mapDocument, parseMapping, type Problem } from "./mapping.ts";

const SHOP = {
  shop: "corner",
  items: [
    { id: 1, kind: "fruit", price: { amount: 3 }, tags: ["a", "b"] },
    { id: "two", kind: "", price: null },
    { kind: "nameless" },
  ],
};

function map(mapping: object, document: unknown = SHOP) {
  const problems: Problem[] = [];
  const parsed = parseMapping(mapping, problems);
  if (!parsed) throw new Error(JSON.stringify(problems));
  return mapDocument(document, parsed);
}

describe("a mapping", () => {
  test("makes each item one statement, and counts those without a subject", () => {
    const attributes = { price: "$.price.amount", tags: "$.tags[*]", none: "$.none" };
    expect(
      map({ items: "$.items[*]", subject: "$.id", predicate: "$.kind", context: "shop", attributes }),
    ).toEqual({
      nameless: 1,
      items: [
        {
          subject: "1",
          predicate: "fruit",
          context: "shop",
          attributes: { price: 3, tags: ["a", "b"], none: null },
        },
        {
          subject: "two",
          predicate: "_",
          context: "shop",
          attributes: { price: null, tags: [], none: null },
        },
      ],
    });
  });

  test("without attributes keeps the item whole", () => {
    expect(map({ items: "$", subject: "$.shop" }).items).toEqual([
      { subject: "corner", predicate: "item", context: "ix-json", attributes: { value: SHOP } },
    ]);
  });

  const subjects: [string, unknown, number][] = [
    ["a text", "x", 1],
    ["a number", 0, 1],
    ["a boolean", false, 1],
    ["an empty text", "", 0],
    ["null", null, 0],
    ["a list", ["x"], 0],
    ["an object", { x: 1 }, 0],
    ["a text longer than a name can be", "x".repeat(1_001), 0],
  ];
  test.each(subjects)("whose subject is %s", (_, id, count) => {
    expect(map({ items: "$", subject: "$.id" }, { id }).items.length).toBe(count);
  });

  const refused: [string, unknown, string[]][] = [
    ["that is a list", [], ["mapping"]],
    ["with nothing in it", {}, ["mapping.items", "mapping.subject"]],
    ["with an unknown field", { items: "$", subject: "$.id", subjects: "$" }, ["mapping.subjects"]],
    ["with a subject that is no path", { items: "$", subject: "id" }, ["mapping.subject"]],
    [
      "with a broken path in it",
      { items: "$", subject: "$.id", context: "$[", attributes: { a: "$.." } },
      ["mapping.context", "mapping.attributes.a"],
    ],
    [
      "with attributes that are a list",
      { items: "$", subject: "$.id", attributes: ["$.a"] },
      ["mapping.attributes"],
    ],
    [
      "with the poller's own attribute",
      { items: "$", subject: "$.id", attributes: { _hash: "$.a" } },
      ["mapping.attributes._hash"],
    ],
    ["with an empty predicate", { items: "$", subject: "$.id", predicate: "" }, ["mapping.predicate"]],
  ];
  test.each(refused)("%s is refused", (_, mapping, fields) => {
    const problems: Problem[] = [];
    expect(parseMapping(mapping, problems)).toBeUndefined();
    expect(problems.map((problem) => problem.field)).toEqual(fields);
  });
});
