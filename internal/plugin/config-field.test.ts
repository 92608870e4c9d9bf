import { expect, test } from "bun:test";
import type { Pattern } from "../base/pattern.ts";
import { type ConfigField, configProblems } from "./config-field.ts";

function pattern(source: string): Pattern {
  return { source, test: (text) => new RegExp(source).test(text) };
}

const field = (more: Partial<ConfigField>): ConfigField => ({
  name: "key",
  type: "string",
  description: "",
  fallback: "",
  required: false,
  min: null,
  max: null,
  pattern: null,
  elements: null,
  ...more,
});

test.each<[field: Partial<ConfigField>, value: string, must: string | null]>([
  [{}, "anything", null],
  [{ pattern: pattern("^a+$") }, "aaa", null],
  [{ pattern: pattern("^a+$") }, "b", "a text like /^a+$/"],
  [{ type: "number" }, "1e3", null],
  [{ type: "number" }, "NaN", "a number"],
  [{ type: "number" }, " ", "a number"],
  [{ type: "integer", min: 1 }, "0", "a whole number of at least 1"],
  [{ type: "integer", max: 9 }, "1.5", "a whole number of at most 9"],
  [{ type: "number", min: 1, max: 9 }, "often", "a number from 1 to 9"],
  [{ type: "boolean" }, "true", null],
  [{ type: "boolean" }, "yes", "true or false"],
  [{ type: "array" }, "[1, {}]", null],
  [{ type: "array" }, "1, 2", "a list"],
  [{ type: "array", elements: "number" }, '[1, "2"]', null],
  [{ type: "array", elements: "integer" }, "[1.5]", "a list, each a whole number"],
  [{ type: null }, "whatever", null],
])("a key that is %j, with the value %j", (about, value, must) => {
  const found = configProblems([field(about)], { key: value }, () => false);
  const said =
    must === null ? [] : [{ key: "key", says: `key is ${JSON.stringify(value)}, but must be ${must}.` }];
  expect(found).toEqual(said);
});

test("a key that is needed is missed unless it has a value for itself; what nobody describes is held against nothing", () => {
  const needed = field({ required: true, description: "The key." });
  expect(configProblems([needed], {}, () => false)).toEqual([
    { key: "key", says: "has no key, which the plugin needs (The key)." },
  ]);
  expect(configProblems([{ ...needed, fallback: "x" }], {}, () => false)).toEqual([]);
  expect(configProblems([], { any: "thing" }, () => false)).toEqual([]);
});

test("a secret is not shown", () => {
  const [problem] = configProblems([field({ pattern: pattern("^a$") })], { key: "hush" }, () => true);
  expect(problem?.says).toBe("key refers to something else, but must be a text like /^a$/.");
});
