import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import {
  KEPT_BYTES_AT_ONCE,
  KEPT_BYTES_PER_SECOND,
  LINE_BYTES_MAX,
  LineRing,
  LineSplitter,
  READ_BYTES_PER_SECOND,
  readLines,
} from "./lines.ts";

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

/** What becomes of chunks that come as fast as they are read: lines, and the bytes of gaps as numbers. */
function reading(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  const env = new FakeEnv();
  env.soon = (work) => work();
  const kept: (string | number)[] = [];
  async function* printed() {
    yield* chunks;
  }
  const note = (what: string | number) => void kept.push(what);
  const pass = async (ms: number) => {
    const until = env.mono() + ms;
    while (env.mono() < until) {
      await new Promise(setImmediate); // Whatever can go on has.
      await env.advance(10);
    }
  };
  return { pass, kept, over: readLines(env, printed(), { line: note, gap: note }) };
}

function* repeated(chunk: Uint8Array, count: number, last = ""): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) yield chunk;
  yield Buffer.from(last);
}

const LINES = Buffer.from(`${"x".repeat(999)}\n`.repeat(64));

test("who says much at once loses nothing", async () => {
  const { pass, kept, over } = reading(repeated(LINES, 100));
  await pass(10);
  await over;
  expect(kept.length).toBe(6_400);
});

test("who prints more than can be kept is read on, and a mark says how much is missing", async () => {
  const chunks = Math.ceil((5 * READ_BYTES_PER_SECOND) / LINES.length);
  const { pass, kept, over } = reading(repeated(LINES, chunks, `${"x".repeat(999)}\nTraceback\n  it broke`));
  await pass(6_000);
  await over; // A reader that waits for its meter would need five minutes.
  const lines = kept.filter((each) => typeof each === "string");
  const missing = kept.filter((each) => typeof each === "number");
  const most = KEPT_BYTES_AT_ONCE + 5 * KEPT_BYTES_PER_SECOND;
  expect(lines.length).toBeWithin(Math.floor(KEPT_BYTES_AT_ONCE / 1_300), Math.floor(most / 1_000));
  expect(lines.filter((line) => line.length === 999).length).toBeGreaterThan(lines.length - 20);
  expect(missing.length).toBeWithin(3, 7); // One a second.
  const printed = chunks * LINES.length + 1_000 + "Traceback\n  it broke".length;
  const bytes = lines.reduce((sum, line) => sum + line.length + 1, -1);
  expect(Math.abs(bytes + missing.reduce((sum, each) => sum + each, 0) - printed)).toBeLessThan(8);
  expect(lines.slice(-2)).toEqual(["Traceback", "  it broke"]);
});

test("what is printed last behind too much is told as soon as nothing follows, and as it is when more does", async () => {
  const more = Promise.withResolvers<void>();
  const { pass, kept, over } = reading(
    (async function* () {
      for (let i = 0; i < 400; i++) yield LINES;
      yield Buffer.from("it says\nwhat it has d");
      await more.promise;
      yield Buffer.from("one\n");
    })(),
  );
  await pass(300);
  expect(kept.slice(-1)).toEqual(["it says"]);
  expect(kept.filter((each) => typeof each === "number").length).toBe(1);
  await pass(2_000);
  more.resolve();
  await pass(300);
  await over;
  expect(kept.slice(-2)).toEqual(["it says", "what it has done"]);
});

test("who prints more than can be read waits", async () => {
  const { pass, kept } = reading(repeated(LINES, (10 * READ_BYTES_PER_SECOND) / LINES.length));
  await pass(3_000);
  const read = kept.reduce<number>((sum, each) => sum + (typeof each === "number" ? each : 1_000), 0);
  expect(read).toBeWithin(2 * READ_BYTES_PER_SECOND, 4.2 * READ_BYTES_PER_SECOND);
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
