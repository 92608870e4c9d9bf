/** Lines: every key is found on the line on which a person sees it. */
import { expect, test } from "bun:test";
import { linesOf } from "./toml.ts";

const DOCUMENT = `# a comment with [brackets] and key = 1
top = 1
"quoted key" = "[not] = a header"

[serve]
port = 1 # comment = 2
text = """
[not.a.header]
key = "no"
"""
raw = '''it's
[neither]'''
quotes = """two "" quotes"""""
list = [ # of
  "a ] b",
  [ 1,
    2 ],
]
after = { x = 1, y = "}" }
deep.er.still = 1

[[schedule]]
id = "a"
[schedule.payload]
x = 1

[[schedule]]
id = "b"
payload.y = 2
[ spaced . "name" ]
last = 1`;

// path, line
const CASES: readonly (readonly [readonly string[], number | undefined])[] = [
  [["top"], 2],
  [["quoted key"], 3],
  [["serve"], 5],
  [["serve", "port"], 6],
  [["serve", "text"], 7],
  [["serve", "key"], undefined],
  [["not"], undefined],
  [["neither"], undefined],
  [["serve", "raw"], 11],
  [["serve", "quotes"], 13],
  [["serve", "list"], 14],
  [["serve", "after"], 19],
  [["serve", "deep"], 20],
  [["serve", "deep", "er", "still"], 20],
  [["schedule"], 22],
  [["schedule", "0"], 22],
  [["schedule", "0", "id"], 23],
  [["schedule", "0", "payload", "x"], 25],
  [["schedule", "1"], 27],
  [["schedule", "1", "payload", "y"], 29],
  [["spaced", "name", "last"], 31],
];

for (const newline of ["\n", "\r\n"]) {
  const lines = linesOf(DOCUMENT.replaceAll("\n", newline));
  for (const [path, line] of CASES) {
    test(`${path.join(".")} stands on line ${line}, with ${JSON.stringify(newline)}`, () => {
      expect(lines.get(JSON.stringify(path))).toBe(line);
    });
  }
}
