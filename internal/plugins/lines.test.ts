import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { LINE_BYTES_MAX, LineRing, LineSplitter, PRINTED_BYTES_PER_SECOND_MAX, readLines } from "./lines.ts";

function split(...chunks: (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  splitter.end();
  return lines;
}

test("lines are cut where they end, whatever the chunks are", () => {
  expect(split("a\nb\r\n\nc")).toEqual(["a", "b", "", "c"]);
  expect(split("a", "b", "\nc", "\n", "d\n")).toEqual(["ab", "c", "d"]);
  const euro = Buffer.from("€\n");
  expect(split(euro.subarray(0, 1), euro.subarray(1))).toEqual(["€"]);
});

test("bytes that are no text become the replacement character", () => {
  expect(split(Buffer.from([0xff, 0x41, 0xc0, 0x0a]))).toEqual(["\uFFFDA\uFFFD"]);
});

test("a line has a greatest length, and what follows it is a line of its own", () => {
  const [first, second] = split("x".repeat(LINE_BYTES_MAX - 1), "yz", `${"z".repeat(5_000_000)}\nnext\n`);
  expect(first).toBe(`${"x".repeat(LINE_BYTES_MAX - 1)}y… (cut: ${LINE_BYTES_MAX + 5_000_001} bytes)`);
  expect(second).toBe("next");
});

test("bytes beyond the second's budget are dropped, and it is said where", async () => {
  const env = new FakeEnv();
  const lines: string[] = [];
  const full = Buffer.from(`${"x".repeat(99)}\n`.repeat(PRINTED_BYTES_PER_SECOND_MAX / 100));
  async function* printed() {
    yield full;
    yield Buffer.from("lost\n".repeat(1_000));
    await env.advance(1_000);
    yield Buffer.from("after\n");
  }
  await readLines(env, printed(), (line) => lines.push(line));
  expect(lines).toHaveLength(Math.floor(PRINTED_BYTES_PER_SECOND_MAX / 100) + 2);
  expect(lines.slice(-2)).toEqual([
    "… 5000 bytes were dropped here: more was printed than is kept.",
    "after",
  ]);
});

test("the ring has the newest lines", () => {
  const ring = new LineRing(3);
  for (let i = 0; i < 20; i++) ring.push(String(i));
  expect(ring.last(2)).toEqual(["18", "19"]);
  expect(ring.last(10)).toEqual(["17", "18", "19"]);
});
