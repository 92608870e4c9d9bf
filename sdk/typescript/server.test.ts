/** The server as its callers see it: our own channel, and grpc-js as any client of gRPC. */
import { Client, compressionAlgorithms, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:http2";
import { Channel } from "./channel.ts";
import { framed } from "./frames.ts";
import { CLOCK } from "./host.ts";
import { type Call, GrpcServer, Refusal, type ServedStream } from "./server.ts";

const BYTES_MAX = 10_000;
const text = {
  requestStream: false,
  responseStream: false,
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => {
    const value = bytes.toString();
    if (value === "garbage") throw new Error("that is none");
    return value;
  },
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
};
const UNARY = { ...text, path: "/test.Test/Unary" };
const STREAM = { ...text, path: "/test.Test/Stream", responseStream: true };
const DUPLEX = { ...text, path: "/test.Test/Duplex", requestStream: true, responseStream: true };

let server: GrpcServer;
let channel: Channel;
let client: Client;
let heard: Call | null = null;
let refusal = new Refusal(status.ABORTED, "");
const waiting = Promise.withResolvers<Call>();

async function unary(request: string, call: Call): Promise<string> {
  heard = call;
  if (request === "refuse") throw new Refusal(status.ABORTED, "Nö: 100 %", { why: "so" });
  if (request === "break") throw new Error("broken");
  if (request === "wait") {
    waiting.resolve(call);
    await new Promise<void>((resolve) => call.onClosed(resolve));
  }
  return request.toUpperCase();
}

function stream(request: string, served: ServedStream<unknown, string>): void {
  for (const letter of request) served.write(letter);
  if (request === "fail") served.fail(new Refusal(status.RESOURCE_EXHAUSTED, "no more"));
  else served.end();
  served.write("never");
}

beforeAll(async () => {
  server = new GrpcServer({ bytesMax: BYTES_MAX });
  server.unary(UNARY, unary);
  server.unary({ ...UNARY, path: "/test.Test/Refused" }, () => {
    throw refusal;
  });
  server.stream(STREAM, stream);
  server.duplex(DUPLEX, (served) => {
    served.on("data", (message) => void served.write(message.toUpperCase()));
    served.on("end", () => served.end());
  });
  const port = await server.listen(0);
  channel = new Channel(CLOCK, { address: `127.0.0.1:${port}`, bytesMax: 1_000_000 });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterAll(() => {
  channel.close();
  client.close();
  server.close();
});

const call = (request: string, headers = {}) => channel.call(UNARY, request, { limitMs: 20_000, headers });

test("a call is answered, and sees what came beside it", async () => {
  expect(await call("hello", { beside: "it" })).toEqual({ ok: true, value: "HELLO" });
  expect([heard?.header("beside"), heard?.header("else"), heard?.limitMs]).toEqual(["it", "", 20_000]);
});

test.each([
  ["refuse", { code: status.ABORTED, details: "Nö: 100 %", trailers: { why: "so" } }],
  ["break", { code: status.INTERNAL, details: "broken" }],
  ["garbage", { code: status.INTERNAL, details: "that is none" }],
  [
    "x".repeat(BYTES_MAX + 1),
    { code: status.RESOURCE_EXHAUSTED, details: "The message has 10001 bytes; at most 10000 are taken." },
  ],
])("what becomes of a call is said: %p", async (request, ending) => {
  expect(await call(request)).toMatchObject({ ok: false, ...ending });
});

test.each(["x", "%", "漢", "🙂"])(
  "a refusal fits what clients read, however long its sentence is: %s",
  async (letter) => {
    for (const count of [1_000, 10_000, 300_000]) {
      const answer = await sayNo(letter.repeat(count));
      expect(answer?.code).toBe(status.ABORTED);
      expect(answer?.metadata.get("why")).toEqual(["so"]);
      expect(answer?.metadata.get("more")).toEqual([]);
      expect(answer?.details).toStartWith(letter.repeat(150));
      expect(encodeURI(answer?.details ?? "").length).toBeLessThanOrEqual(3_000);
    }
  },
);

/** What a client hears that is refused with a sentence. */
function sayNo(sentence: string): Promise<ServiceError | null> {
  const { path, requestSerialize, responseDeserialize } = { ...UNARY, path: "/test.Test/Refused" };
  refusal = new Refusal(status.ABORTED, sentence, {
    why: "so",
    more: sentence.length.toString().repeat(5_000),
  });
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, "", (error) => resolve(error));
  });
}

test("a method that is not there is UNIMPLEMENTED", async () => {
  const answer = await channel.call({ ...UNARY, path: "/test.Test/Other" }, "", { limitMs: 20_000 });
  const details = "The server does not implement /test.Test/Other.";
  expect(answer).toMatchObject({ ok: false, code: status.UNIMPLEMENTED, details });
});

test("whoever waits no longer is noticed", async () => {
  const signal = new AbortController();
  const answer = channel.call(UNARY, "wait", { limitMs: 20_000, signal: signal.signal });
  const gone = new Promise<void>((resolve) => void waiting.promise.then((asked) => asked.onClosed(resolve)));
  await waiting.promise;
  signal.abort();
  expect(await answer).toMatchObject({ code: status.CANCELLED });
  await gone;
});

/** What a stream brings, and how it ends. */
function follow(definition: typeof STREAM, ...messages: string[]) {
  return new Promise<{ got: string; code: status; details: string }>((resolve) => {
    let got = "";
    const following = channel.stream<string, string>(definition, {
      message: (message) => (got += message),
      drained() {},
      ended: (_reason, { code, details }) => resolve({ got, code, details }),
    });
    for (const message of messages) following.write(message);
    following.end();
  });
}

test("a stream brings all that was written before its end, well or not", async () => {
  expect(await follow(STREAM, "abc")).toMatchObject({ got: "abc", code: status.OK });
  const ending = { got: "fail", code: status.RESOURCE_EXHAUSTED, details: "no more" };
  expect(await follow(STREAM, "fail")).toMatchObject(ending);
  expect(await follow(DUPLEX, "a", "b")).toMatchObject({ got: "AB", code: status.OK });
  expect(await follow(DUPLEX, "a", "garbage")).toMatchObject({ code: status.INTERNAL });
});

test("any client of gRPC is answered, also one that compresses", async () => {
  const ask = (algorithm: number, request: string) =>
    new Promise((resolve) => {
      const options = { "grpc.default_compression_algorithm": algorithm };
      const compressing = new Client(client.getChannel().getTarget(), credentials.createInsecure(), options);
      const { path, requestSerialize, responseDeserialize } = UNARY;
      const done = (error: ServiceError | null, value: unknown) => {
        compressing.close();
        resolve(error ? error.code : value);
      };
      compressing.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, done);
    });
  const { gzip, deflate, identity } = compressionAlgorithms;
  for (const algorithm of [gzip, deflate, identity]) expect(await ask(algorithm, "hello")).toBe("HELLO");
  expect(await ask(gzip, "0".repeat(1_000_000))).toBe(status.RESOURCE_EXHAUSTED);
});

/** The status of what answers plain HTTP/2, that of gRPC, and what it says that it could read. */
function post(headers: Record<string, string>, body: Buffer): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${client.getChannel().getTarget().replace("dns:", "")}`);
    const request = session.request({ ":method": "POST", ":path": UNARY.path, ...headers });
    request.once("response", (answer) => {
      resolve([answer[":status"], answer["grpc-status"], answer["grpc-accept-encoding"]]);
      session.destroy();
    });
    request.on("error", reject);
    request.end(body);
  });
}

test("thousands of calls at once are answered, though a connection takes a thousand", async () => {
  const answers = await Promise.all(Array.from({ length: 5_000 }, () => call("x")));
  expect(answers.filter(({ ok }) => ok)).toHaveLength(5_000);
});

test("a call that waits for its place can be called off, and takes no longer than it may", async () => {
  const signal = new AbortController();
  const held = Array.from({ length: 800 }, () =>
    channel.call(UNARY, "wait", { limitMs: 20_000, signal: signal.signal }),
  );
  const late = channel.call(UNARY, "x", { limitMs: 1 });
  const next = call("x");
  await Bun.sleep(2);
  signal.abort();
  expect(await late).toMatchObject({ ok: false, code: status.DEADLINE_EXCEEDED });
  expect(await next).toMatchObject({ ok: true, value: "X" });
  await Promise.all(held);
});

test("what is no call of gRPC is none", async () => {
  const body = framed(Buffer.from("hello"));
  expect(await post({ "content-type": "text/plain" }, body)).toEqual([415, undefined, undefined]);
  const grpc = { "content-type": "application/grpc" };
  expect(await post(grpc, Buffer.alloc(0))).toEqual([200, String(status.INTERNAL), undefined]);
});

test.each([
  [{}, status.UNIMPLEMENTED],
  [{ "grpc-encoding": "snappy" }, status.UNIMPLEMENTED],
  [{ "grpc-encoding": "gzip" }, status.INTERNAL],
])("what is compressed by what is not known, or wrongly, is refused: %p", async (headers, code) => {
  const body = framed(Buffer.from("hello"));
  body[0] = 1;
  const grpc = { "content-type": "application/grpc", ...headers };
  expect(await post(grpc, body)).toEqual([
    200,
    String(code),
    code === status.UNIMPLEMENTED ? "identity,deflate,gzip" : undefined,
  ]);
});

test.each([
  ["asked", "x".repeat(4_000_000), ""],
  ["answered", "", "x".repeat(4_000_000)],
])(
  "thirty of the largest messages at once are %s: Bun by itself holds ten megabytes of a connection",
  async (_, request, answer) => {
    const bytesMax = 4_194_304;
    const large = new GrpcServer({ bytesMax });
    large.unary(UNARY, (asked) => (asked === request ? answer : "cut"));
    const caller = new Channel(CLOCK, { address: `127.0.0.1:${await large.listen(0)}`, bytesMax });
    await caller.call(UNARY, "", { limitMs: 20_000 }); // It is connected.
    const calls = Array.from({ length: 30 }, () => caller.call(UNARY, request, { limitMs: 20_000 }));
    for (const got of await Promise.all(calls)) expect(got.ok && got.value === answer).toBe(true);
    caller.close();
    large.close();
  },
);

test("a server that drains answers what was asked before, and takes nothing more", async () => {
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<string>();
  const other = new GrpcServer({ bytesMax: BYTES_MAX });
  other.add({ unary: UNARY } as const, {
    unary() {
      asked.resolve();
      return held.promise;
    },
  });
  const address = `127.0.0.1:${await other.listen(0)}`;
  const caller = new Channel(CLOCK, { address, bytesMax: BYTES_MAX });
  const answer = caller.call(UNARY, "a", { limitMs: 20_000 });
  await asked.promise;
  const drained = other.drain();
  held.resolve("b");
  expect(await answer).toEqual({ ok: true, value: "b" });
  await drained;
  expect(await caller.call(UNARY, "a", { limitMs: 20_000 })).toMatchObject({ code: status.UNAVAILABLE });
  caller.close();
});
