/** Lines are found in what people write, and not invented where they cannot be told. */
import { expect, test } from "bun:test";
import { brokenLine, listLines, topLine } from "./yaml-lines.ts";

const TEXT = `# mine
source: prod

schedules:
  - name: one
    handler: a.b
    # a comment
    description: |
      - not an entry
      name: not a key
  -
    name: two
    "every": 5m
    payload:
      name: inner
      list:
        - name: deeper

  - { name: three, handler: a.b }
  - name: four
    every: 5m
    name: again
blackouts:
  x:
    - y
`;

test("entries and their keys have the lines on which they stand", () => {
  const { entries } = listLines(TEXT, "schedules");
  expect(entries.map(({ line }) => line)).toEqual([5, 11, 19, 20]);
  expect([...(entries[0]?.keys ?? [])]).toEqual([
    ["name", 5],
    ["handler", 6],
    ["description", 8],
  ]);
  expect(entries[3]?.doubles).toEqual([{ key: "name", lines: [20, 22] }]);
  expect(topLine(TEXT, "blackouts")).toBe(23);
});

test.each(["schedules: [{name: a}]", '{"schedules": [{"name": "a"}]}', "", "other:\n  - a"])(
  "there are no lines in %j",
  (text) => {
    expect(listLines(text, "schedules").entries).toEqual([]);
  },
);

test("entries that begin below their key are found", () => {
  expect(listLines("schedules:\n- name: a\n- name: b\nx: 1", "schedules").entries).toMatchObject([
    { line: 2 },
    { line: 3 },
  ]);
});

test.each([
  ["a: 1\nb: *x\nc: 2\n", 2],
  ["a: 1\nb: 2\nc: 'abc\nd: 4\n", 3],
  ["a: [1,\n  2\nb: 3\n", 1],
  ["a: @x", 1],
  ["schedules:\n  - name: a\n    cron: '1'\n  - name: b\n    cron: */5 * * * *\n  - name: c\n", 5],
  [`schedules:\n${"  - name: a\n".repeat(5_000)}  - name: 'b\n  - name: c\n`, 5_002],
])("%j breaks at line %d", (text, line) => {
  const parses = (part: string) => {
    try {
      Bun.YAML.parse(part);
      return true;
    } catch {
      return false;
    }
  };
  expect(brokenLine(text, "schedules", parses)).toBe(line);
});
