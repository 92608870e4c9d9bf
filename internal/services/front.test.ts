/** Calls without `:authority`, byte by byte: what the server resets, the front lets through. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { GrpcServer } from "../../sdk/typescript/server.ts";
import { LockServiceService } from "../wire/host.ts";
import { Front, Supplement } from "./front.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const [DATA, HEADERS, RST_STREAM, SETTINGS, CONTINUATION] = [0, 1, 3, 4, 9];
const [END_STREAM, END_HEADERS] = [1, 4];

function frame(type: number, flags: number, stream: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A header that enters no table. */
const header = (name: string, value: string) =>
  Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);

const AUTHORITY = header(":authority", "somewhere");
const CALL = [
  header(":method", "POST"),
  header(":scheme", "http"),
  header(":path", "/qntx.v1.LockService/Release"),
  header("content-type", "application/grpc"),
  header("te", "trailers"),
];
const MESSAGE = frame(DATA, END_STREAM, 1, Buffer.from([0, 0, 0, 0, 0]));
const BEGIN = [PREFACE, frame(SETTINGS, 0, 0)];
const SENT = {
  "in one frame": [...BEGIN, frame(HEADERS, END_HEADERS, 1, ...CALL), MESSAGE],
  "in several frames": [
    ...BEGIN,
    frame(HEADERS, 0, 1, ...CALL.slice(0, 2)),
    frame(CONTINUATION, 0, 1, ...CALL.slice(2, 3)),
    frame(CONTINUATION, END_HEADERS, 1, ...CALL.slice(3)),
    MESSAGE,
  ],
  "with an authority": [
    ...BEGIN,
    frame(HEADERS, END_HEADERS, 1, ...CALL.slice(0, 3), AUTHORITY, ...CALL.slice(3)),
    MESSAGE,
  ],
};

let server: GrpcServer;
let front: Front;
const ports = { server: 0, front: 0 };

beforeAll(async () => {
  server = new GrpcServer({ bytesMax: 1_000 });
  server.unary(LockServiceService.release, () => ({ released: true }));
  ports.server = await server.listen(0);
  front = new Front(() => ports.server);
  ports.front = Number((await front.listen()).split(":")[1]);
});
afterAll(() => {
  front.close();
  server.close();
});

/** Sends bytes, a few at a time, and gives the types of the frames that come back on a stream until it ends. */
async function send(port: number, bytes: Buffer, atOnce: number): Promise<number[]> {
  const types: number[] = [];
  const ended = Promise.withResolvers<void>();
  let got = Buffer.alloc(0);
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_socket, chunk) {
        got = Buffer.concat([got, chunk]);
        while (got.length >= 9 && got.length >= 9 + got.readUIntBE(0, 3)) {
          const [type, flags, stream] = [got.readUInt8(3), got.readUInt8(4), got.readUInt32BE(5)];
          if (stream === 1) types.push(type);
          if (stream === 1 && (type === RST_STREAM || (flags & END_STREAM) !== 0)) ended.resolve();
          got = got.subarray(9 + got.readUIntBE(0, 3));
        }
      },
      close: () => ended.resolve(),
    },
  });
  for (let at = 0; at < bytes.length; at += atOnce) {
    socket.write(bytes.subarray(at, at + atOnce));
    socket.flush();
  }
  await ended.promise;
  socket.end();
  return types;
}

test("the server alone resets a call without an authority: once it does not, the front can go", async () => {
  expect(await send(ports.server, Buffer.concat(SENT["in one frame"]), 1_000)).toEqual([RST_STREAM]);
  expect(await send(ports.server, Buffer.concat(SENT["with an authority"]), 1_000)).toEqual([
    HEADERS,
    DATA,
    HEADERS,
  ]);
});

test.each(Object.entries(SENT))(
  "a call whose headers come %s is answered through the front",
  async (_, frames) => {
    for (const atOnce of [1_000, 7]) {
      expect(await send(ports.front, Buffer.concat(frames), atOnce)).toEqual([HEADERS, DATA, HEADERS]);
    }
  },
);

test.each(Object.entries(SENT))("what comes %s is the same wherever it is cut", (_, frames) => {
  const bytes = Buffer.concat(frames);
  const whole = new Supplement().pass(Buffer.from(bytes)); // It changes what it is given.
  for (let cut = 0; cut <= bytes.length; cut++) {
    const supplement = new Supplement();
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)].map((part) =>
      supplement.pass(Buffer.from(part)),
    );
    expect(Buffer.concat(parts).equals(whole)).toBe(true);
  }
});

test("trailers of a client pass as they are", () => {
  const trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, header("x", "y"));
  const bytes = Buffer.concat([...SENT["in one frame"], trailers]);
  expect(new Supplement().pass(bytes).subarray(-trailers.length).equals(trailers)).toBe(true);
});
