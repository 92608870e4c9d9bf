import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { Frames, framed } from "./frames.ts";

const MESSAGES = ["", "a", "x".repeat(300), "", "end"];
const bytes = Buffer.concat(MESSAGES.map((text) => framed(Buffer.from(text))));

test.each([1, 2, 4, 5, 6, 7, 100, 1_000])("messages are found in pieces of %i bytes", (size) => {
  const frames = new Frames(300);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; at += size)
    found.push(...frames.push(bytes.subarray(at, at + size)).map(String));
  expect(found).toEqual(MESSAGES);
});

test("what was found is not changed by what follows", () => {
  const frames = new Frames(300);
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 100)
    found.push(...frames.push(Buffer.from(bytes.subarray(at, at + 100))));
  expect(found.map(String)).toEqual(MESSAGES);
});

test("one that comes byte by byte is not held byte by byte", () => {
  const frames = new Frames(100_000);
  frames.push(framed(Buffer.alloc(100_000)).subarray(0, 5));
  Bun.gc(true);
  const before = heapStats().objectCount;
  for (let n = 0; n < 99_999; n++) frames.push(Buffer.from([n]));
  Bun.gc(true);
  expect(heapStats().objectCount - before).toBeLessThan(20_000);
  expect(frames.push(Buffer.from([0xff]))[0]?.subarray(-3)).toEqual(Buffer.from([0x9d, 0x9e, 0xff]));
});

test("one that is too large is refused before it has arrived", () => {
  const head = framed(Buffer.alloc(301)).subarray(0, 5);
  expect(() => new Frames(300).push(head)).toThrow("The message has 301 bytes; at most 300 are taken.");
});

test("one that is compressed is refused: nobody asked for it", () => {
  const frame = framed(Buffer.from("a"));
  frame[0] = 1;
  expect(() => new Frames(300).push(frame)).toThrow("compressed");
});
