import { expect, test } from "bun:test";
import type { ConfigField, Glyph } from "./qntx.ts";
import { readConfigFields, readGlyphs } from "./surface.ts";

test("keys of a configuration travel as texts", () => {
  expect(readConfigFields("p", { depth: { type: "integer", min: 0, max: 9, default: 3 } })).toEqual({
    depth: {
      type: "integer",
      description: "",
      defaultValue: "3",
      required: false,
      minValue: "0",
      maxValue: "9",
      pattern: "",
      elementType: "",
    },
  });
});

test("a glyph is called by its title where it has no label", () => {
  expect(readGlyphs("p", [{ symbol: "☀", title: "Sun", content: "/sun" }])).toMatchObject([
    { symbol: "☀", title: "Sun", label: "Sun", contentPath: "/sun", defaultWidth: 0 },
  ]);
});

test.each<[read: () => unknown, sentence: string]>([
  [
    () => readConfigFields("p", { a: { type: "int" } as unknown as ConfigField }),
    'The config field "a" of plugin p has the type "int".',
  ],
  [
    () => readConfigFields("p", { a: { requird: true } as ConfigField }),
    'The config field "a" of plugin p has no field requird.',
  ],
  [() => readGlyphs("p", [{ symbol: "x", title: "T" }]), 'The glyph "T" of plugin p has neither content nor'],
  [
    () => readGlyphs("p", [{ symbol: "x", title: "T", path: "/" } as Glyph]),
    'The glyph "T" of plugin p has no field path.',
  ],
])("what is wrong is said by its name: %#", (read, sentence) => {
  expect(read).toThrow(sentence);
});
