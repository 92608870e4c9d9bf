import { describe, expect, test } from "bun:test";
import { readCommits } from "./commits.ts";
import { splitAtNul } from "./git.ts";

const FIELDS = [
  "h1",
  "p1 p2",
  "Ada",
  "ada@x",
  "2023-11-15T00:13:20+02:00",
  "Bob",
  "bob@x",
  "2023-11-14T22:13:20+00:00",
];
const STAT = "\n 3 files changed, 1 insertion(+), 12 deletions(-)\n";

/** Reads what git would print, cut into pieces of `size` bytes. */
async function read(printed: string | Uint8Array, size = 1_000) {
  const bytes = typeof printed === "string" ? new TextEncoder().encode(printed) : printed;
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  return Array.fromAsync(readCommits(splitAtNul(chunks())));
}

function printed(message: string, stat: string, seconds = "1700000000"): string {
  return `\0${[...FIELDS, seconds, message].join("\0")}\0\n${stat}`;
}

describe("what git log prints", () => {
  test("is read, however the pipe cuts it", async () => {
    const text = printed("ünïcode\n\nbody\n", STAT) + printed("next\n", "");
    const whole = await read(text);
    expect(whole).toMatchObject([
      {
        hash: "h1",
        parents: ["p1", "p2"],
        timestamp: 1_700_000_000_000,
        subject: "ünïcode",
        body: "body",
        author: { name: "Ada", email: "ada@x", date: FIELDS[4] },
        committer: { name: "Bob", email: "bob@x", date: FIELDS[7] },
        change: { files: 3, insertions: 1, deletions: 12 },
      },
      { subject: "next", body: "", change: undefined },
    ]);
    for (const size of [1, 2, 3, 7, 64]) expect(await read(text, size)).toEqual(whole);
  });

  test("is nothing when there is nothing", async () => {
    expect(await read("")).toEqual([]);
  });

  test("keeps bytes that are not UTF-8 as replacement characters", async () => {
    const [commit] = await read(Buffer.from(printed("caf\u00e9\n", ""), "latin1"));
    expect(commit?.subject).toBe("caf\ufffd");
  });

  const messages: [string, string, [subject: string, body: string]][] = [
    ["an empty one", "", ["", ""]],
    ["a line", "one\n", ["one", ""]],
    ["a subject on two lines", "one\ntwo\n\nbody\n", ["one two", "body"]],
    ["a body with empty lines", "one\n\ntwo\n\nthree\n\n", ["one", "two\n\nthree"]],
    ["Windows' line ends", "one\r\n\r\ntwo\r\n", ["one", "two"]],
    ["a subject after empty lines", "\n\none\n", ["one", ""]],
    [
      "one that looks like a change",
      "one\n\n 9 files changed, 9 insertions(+)\n",
      ["one", "9 files changed, 9 insertions(+)"],
    ],
  ];
  test.each(messages)("a message: %s", async (_, message, [subject, body]) => {
    expect(await read(printed(message, ""))).toMatchObject([{ subject, body, change: undefined }]);
  });

  const dates: [string, string, number | undefined][] = [
    ["the first second", "0", 0],
    ["none", "", undefined],
    ["one that is broken", "99999999999999999", undefined],
    ["one before 1970", "-5", undefined],
  ];
  test.each(dates)("a date: %s", async (_, seconds, timestamp) => {
    expect((await read(printed("x", "", seconds)))[0]?.timestamp).toBe(timestamp);
  });

  const changes: [string, object][] = [
    [" 1 file changed, 1 insertion(+)", { files: 1, insertions: 1, deletions: 0 }],
    [" 2 files changed, 1 deletion(-)", { files: 2, insertions: 0, deletions: 1 }],
    [" 1 file changed, 0 insertions(+), 0 deletions(-)", { files: 1, insertions: 0, deletions: 0 }],
  ];
  test.each(changes)("a change: %s", async (stat, change) => {
    expect((await read(printed("x", `\n${stat}\n`)))[0]?.change).toMatchObject(change);
  });
});
