/** What people read: columns that line up, instants in words, colours only where they are wanted. */
import { expect, test } from "bun:test";
import { layTable, relativeTime } from "./layout.ts";
import { createOut } from "./output.ts";
import { NOW, testWorld } from "./world-for-tests.ts";

const plain = { width: Number.POSITIVE_INFINITY, head: (text: string) => text };

test("columns line up, also with wide letters and colours", () => {
  const rows = [
    ["nightly", "3", "ok"],
    ["日本", "12", "\x1b[31mfailed\x1b[39m"],
    ["", "", ""],
  ];
  expect(
    layTable([{ title: "name" }, { title: "runs", align: "right" }, { title: "last" }], rows, plain),
  ).toBe("NAME     RUNS  LAST\nnightly     3  ok\n日本       12  \x1b[31mfailed\x1b[39m\n");
});

test("the last column is cut to the screen", () => {
  const rows = [["a", "a very long description that does not fit"]];
  const table = layTable([{ title: "id" }, { title: "what" }], rows, { ...plain, width: 20 });
  expect(table).toBe("ID  WHAT\na   a very long des…");
});

test("a cell cannot tear the table or act on the terminal", () => {
  const table = layTable([{ title: "x" }], [["a\nb\x1b]0;title\x07\x1b[2J"]], plain);
  expect(table).toBe("X\na b ]0;title  [2J");
});

// distance from now, words
const INSTANTS: readonly (readonly [number, string])[] = [
  [0, "now"],
  [999, "now"],
  [-999, "now"],
  [59_999, "in 59 s"],
  [60_000, "in 1 min"],
  [-3_599_999, "59 min ago"],
  [47 * 3_600_000, "in 47 h"],
  [48 * 3_600_000, "in 2 days"],
  [-59 * 86_400_000, "59 days ago"],
  [60 * 86_400_000, "2030-03-02"],
];

for (const [distance, words] of INSTANTS) {
  test(`${distance} ms from now is "${words}"`, () => {
    expect(relativeTime(NOW + distance, NOW)).toBe(words);
  });
}

// what is given, are colours and words for people printed
const AUDIENCES: readonly (readonly [
  string,
  Parameters<typeof testWorld>[0],
  { color: boolean; json: boolean },
  boolean,
  boolean,
])[] = [
  ["a terminal", { terminal: true }, { color: true, json: false }, true, true],
  ["a pipe", {}, { color: true, json: false }, false, false],
  ["--no-color", { terminal: true }, { color: false, json: false }, false, true],
  ["NO_COLOR=1", { terminal: true, vars: { NO_COLOR: "1" } }, { color: true, json: false }, false, true],
  [
    "NO_COLOR=true",
    { terminal: true, vars: { NO_COLOR: "true" } },
    { color: true, json: false },
    false,
    true,
  ],
  ["an empty NO_COLOR", { terminal: true, vars: { NO_COLOR: "" } }, { color: true, json: false }, true, true],
  ["a dumb terminal", { terminal: true, vars: { TERM: "dumb" } }, { color: true, json: false }, false, true],
  ["--json", { terminal: true }, { color: true, json: true }, false, false],
];

for (const [name, given, options, colours, relative] of AUDIENCES) {
  test(`${name}: ${colours ? "colours" : "no colours"}, ${relative ? "words" : "ISO"}`, () => {
    const out = createOut(testWorld(given), { ...options, quiet: false });
    expect(out.paint("red", "x")).toBe(colours ? "\x1b[31mx\x1b[39m" : "x");
    expect(out.when(NOW + 180_000)).toBe(relative ? "in 3 min" : "2030-01-01T00:03:00.000Z");
    expect(out.when(null)).toBe("-");
  });
}
