import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { LINE_BYTES_MAX, LineRing, LineSplitter, READ_BURST, READ_PER_SECOND, readLines } from "./lines.ts";

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

test("who prints more than can be kept is read more slowly, and nothing is lost", async () => {
  const env = new FakeEnv();
  env.soon = (work) => work();
  const lines: string[] = [];
  const chunk = Buffer.from("x\n".repeat(1_000));
  async function* printed() {
    for (let i = 0; i < 100; i++) yield chunk;
  }
  const reading = readLines(env, printed(), (line) => lines.push(line));
  await env.advance(1);
  expect(Math.abs(lines.length - READ_BURST / 202)).toBeLessThan(5_000); // The burst is read at once.
  const before = lines.length;
  await env.advance(2_000);
  expect(Math.abs(lines.length - before - (2 * READ_PER_SECOND) / 202)).toBeLessThan(2_100);
  while (lines.length < 100_000) await env.advance(1_000);
  await reading;
});

test("the ring has the newest lines", () => {
  const ring = new LineRing(3);
  for (let i = 0; i < 20; i++) ring.push(String(i));
  expect(ring.last(2)).toEqual(["18", "19"]);
  expect(ring.last(10)).toEqual(["17", "18", "19"]);
});

test("a ring hands on what came behind the lines that somebody has seen, as far as it kept them", () => {
  const ring = new LineRing(3);
  ring.push("0");
  ring.push("1");
  expect([ring.count, ring.after(0), ring.after(1), ring.after(2), ring.after(9)]).toEqual([
    2,
    ["0", "1"],
    ["1"],
    [],
    [],
  ]);
  for (let i = 2; i < 20; i++) ring.push(String(i));
  expect([ring.count, ring.after(19), ring.after(5)]).toEqual([20, ["19"], ["17", "18", "19"]]);
});
