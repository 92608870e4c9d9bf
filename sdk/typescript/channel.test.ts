/** The channel against real servers: one of grpc-js, and peers that speak HTTP/2 and something else. */
import { expect, test } from "bun:test";
import {
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer, type AddressInfo } from "node:net";
import { type Metadata, Server, ServerCredentials, status, type UntypedHandleCall } from "@grpc/grpc-js";
import { DomainPluginServiceService, type ExecuteJobRequest } from "../../proto/gen/protocol/domain.ts";
import { PluginServiceService } from "../../proto/gen/qntx/v1/plugin.ts";
import { Channel } from "./channel.ts";
import { CLOCK } from "./host.ts";

const { executeJob, metadata } = DomainPluginServiceService;
const MESSAGE_BYTES_MAX = 16_777_216;
const LIMIT_MS = 20_000; // Only a broken build waits this long.
const job = (handlerName: string, payload = Buffer.alloc(0)) => ({
  jobId: "JB_1",
  handlerName,
  payload,
  timeoutSecs: 1,
});
const answer = { success: true, error: "", progressCurrent: 0, progressTotal: 0, costActual: 0 };

const open = (address: string) => new Channel(CLOCK, { address, bytesMax: MESSAGE_BYTES_MAX });

/** A plugin of grpc-js: what a job is called says what becomes of it. */
class Plugin implements AsyncDisposable {
  readonly cancelled = Promise.withResolvers<void>();
  readonly entered = Promise.withResolvers<Metadata>();
  readonly #server = new Server({ "grpc.max_receive_message_length": -1 });

  async listen(port = 0): Promise<string> {
    const none: UntypedHandleCall = () => {};
    const methods = Object.keys(DomainPluginServiceService).map((name) => [name, none]);
    this.#server.addService(DomainPluginServiceService, {
      ...Object.fromEntries(methods),
      executeJob: (call: never, done: never) => this.#run(call, done),
    });
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(`127.0.0.1:${bound}`),
      );
    });
  }

  #run(
    call: {
      request: ExecuteJobRequest;
      metadata: Metadata;
      on(event: "cancelled", then: () => void): void;
    },
    done: (error: object | null, value?: object) => void,
  ): void {
    call.on("cancelled", () => this.cancelled.resolve());
    this.entered.resolve(call.metadata);
    const { handlerName, payload } = call.request;
    if (handlerName === "refuse") return done({ code: status.NOT_FOUND, details: "Größe: 100 % unbekannt" });
    if (handlerName === "large")
      return done(null, { ...answer, logEntries: [], result: Buffer.alloc(MESSAGE_BYTES_MAX) });
    if (handlerName === "echo") done(null, { ...answer, logEntries: [], result: payload });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

test("an answer comes back whole, whatever its size, and headers go with the request", async () => {
  await using plugin = new Plugin();
  const channel = open(await plugin.listen());
  const payload = Buffer.alloc(5_000_000, "x");
  const options = { limitMs: LIMIT_MS, headers: { "qntx-attempt": "2" } };
  const answered = await channel.call(executeJob, job("echo", payload), options);
  expect(answered.ok && payload.equals(answered.value.result)).toBe(true);
  expect((await plugin.entered.promise).get("qntx-attempt")).toEqual(["2"]);
  channel.close();
});

test.each([
  ["refuse", 0, status.NOT_FOUND, "Größe: 100 % unbekannt"],
  ["large", 0, status.RESOURCE_EXHAUSTED, "at most 16777216 are taken"],
  ["echo", MESSAGE_BYTES_MAX, status.RESOURCE_EXHAUSTED, "at most 16777216 are sent"],
] as const)("a job that is called %s, with %i bytes: status %i", async (name, bytes, code, details) => {
  await using plugin = new Plugin();
  const channel = open(await plugin.listen());
  const answered = await channel.call(executeJob, job(name, Buffer.alloc(bytes)), { limitMs: LIMIT_MS });
  expect(answered).toMatchObject({ ok: false, code, details: expect.stringContaining(details) });
  channel.close();
});

test("a service that it does not have is UNIMPLEMENTED", async () => {
  await using plugin = new Plugin();
  const channel = open(await plugin.listen());
  const { describe } = PluginServiceService;
  const answered = await channel.call(describe, { hostVersion: "1" }, { limitMs: LIMIT_MS });
  expect(answered).toMatchObject({ ok: false, code: status.UNIMPLEMENTED });
  channel.close();
});

test.each(["in the turn of the call", "later"])(
  "a call that is aborted %s is cancelled there too",
  async (when) => {
    await using plugin = new Plugin();
    const channel = open(await plugin.listen());
    await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS }); // Connected.
    const controller = new AbortController();
    const call = channel.call(executeJob, job("hang"), { limitMs: LIMIT_MS, signal: controller.signal });
    if (when === "later") await plugin.entered.promise;
    controller.abort();
    expect(await call).toMatchObject({ ok: false, code: status.CANCELLED });
    if (when === "later") await plugin.cancelled.promise;
    expect(await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS })).toMatchObject({ ok: true });
    channel.close();
  },
);

test("a call that takes too long is given up, and cancelled there", async () => {
  await using plugin = new Plugin();
  const channel = open(await plugin.listen());
  const call = channel.call(executeJob, job("hang"), { limitMs: 200 });
  expect(await call).toMatchObject({ ok: false, code: status.DEADLINE_EXCEEDED });
  await plugin.cancelled.promise;
  channel.close();
});

test("who does not listen yet is waited for where that is asked, and is UNAVAILABLE otherwise", async () => {
  await using first = new Plugin();
  const address = await first.listen();
  await first[Symbol.asyncDispose]();
  const channel = open(address);
  const now = await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS });
  expect(now).toMatchObject({ ok: false, code: status.UNAVAILABLE });
  const soon = await channel.call(metadata, {}, { limitMs: 50, waits: true });
  expect(soon).toMatchObject({ ok: false, code: status.DEADLINE_EXCEEDED });
  const waiting = channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS, waits: true });
  await using second = new Plugin();
  await second.listen(Number(address.split(":")[1]));
  expect(await waiting).toMatchObject({ ok: true });
  channel.close();
});

test("a connection that is cut ends its calls as UNAVAILABLE, is known to be, and is made again", async () => {
  const cut = new Plugin();
  const address = await cut.listen();
  const channel = open(address);
  await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS });
  expect(channel.isConnected).toBe(true);
  const over = channel.disconnected();
  const call = channel.call(executeJob, job("hang"), { limitMs: LIMIT_MS });
  await cut.entered.promise;
  await cut[Symbol.asyncDispose]();
  expect(await call).toMatchObject({ ok: false });
  await over;
  expect(channel.isConnected).toBe(false);
  await using next = new Plugin();
  await next.listen(Number(address.split(":")[1]));
  expect(await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS, waits: true })).toMatchObject({
    ok: true,
  });
  channel.close();
  expect(await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS })).toMatchObject({
    code: status.UNAVAILABLE,
    details: "The connection is closed.",
  });
});

test("a connection that has had its calls is left to those that are on it, and the next call makes another", async () => {
  await using plugin = new Plugin();
  const address = await plugin.listen();
  const channel = new Channel(CLOCK, { address, bytesMax: MESSAGE_BYTES_MAX, streamsMax: 2 });
  const controller = new AbortController();
  const long = channel.call(executeJob, job("hang"), { limitMs: LIMIT_MS, signal: controller.signal });
  await plugin.entered.promise;
  expect(channel.isConnected).toBe(true);
  for (const connects of [false, true, false]) {
    expect(await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS })).toMatchObject({ ok: true });
    expect(channel.isConnected).toBe(connects);
  }
  controller.abort();
  expect(await long).toMatchObject({ code: status.CANCELLED, details: "It was called off." });
  channel.close();
});

test("a channel that is closed opens no stream", async () => {
  await using plugin = new Plugin();
  const channel = open(await plugin.listen());
  channel.close();
  const events = { message() {}, drained() {}, ended() {} };
  expect(() => channel.stream(PluginServiceService.jobs, events)).toThrow("The connection is closed.");
});

const trailing = (stream: ServerHttp2Stream, headers: Record<string, string>) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(headers));
};

test.each([
  [
    "HTTP status 404",
    (stream: ServerHttp2Stream) => stream.respond({ ":status": 404 }, { endStream: true }),
    12,
  ],
  [
    "HTTP status 503",
    (stream: ServerHttp2Stream) => stream.respond({ ":status": 503 }, { endStream: true }),
    14,
  ],
  [
    "all is well, and no answer",
    (stream: ServerHttp2Stream) => {
      trailing(stream, { "grpc-status": "0" });
      stream.end();
    },
    13,
  ],
  [
    "an answer that is none",
    (stream: ServerHttp2Stream) => {
      trailing(stream, { "grpc-status": "0" });
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]));
    },
    13,
  ],
  [
    "a status that nobody knows",
    (stream: ServerHttp2Stream) => {
      trailing(stream, { "grpc-status": "99" });
      stream.end();
    },
    2,
  ],
  ["a reset", (stream: ServerHttp2Stream) => stream.close(7), 14],
] as const)("a peer that gives %s", async (_, behave, code) => {
  const server = createHttp2Server();
  server.on("stream", (stream) => void stream.on("error", () => {})); // Of its own reset.
  server.on("stream", behave);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const channel = open(`127.0.0.1:${port}`);
  const answered = await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS });
  expect(answered).toMatchObject({ ok: false, code });
  channel.close();
  server.close();
});

/** A peer that does with each call what it is told to. */
async function listening(behave: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void) {
  const server = createHttp2Server();
  server.on("stream", (stream) => void stream.on("error", () => {})); // Of a connection that is cut.
  server.on("stream", behave);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { channel: open(`127.0.0.1:${port}`), server };
}

test.each([
  [200, "200m"],
  [86_410_000, "86410000m"],
  [604_810_000, "604810S"],
])("a limit of %i ms is told as %s, never in more than eight digits", async (limitMs, text) => {
  const told = Promise.withResolvers<unknown>();
  const { channel, server } = await listening((stream, headers) => {
    told.resolve(headers["grpc-timeout"]);
    stream.respond({ ":status": 200, "grpc-status": "5" }, { endStream: true });
  });
  await channel.call(executeJob, job("echo"), { limitMs });
  expect(await told.promise).toBe(text);
  channel.close();
  server.close();
});

test("closing ends the calls on a connection that takes no new ones, too", async () => {
  const leaving = Promise.withResolvers<void>();
  const { channel, server } = await listening((stream) => {
    stream.session?.goaway(0);
    leaving.resolve();
  });
  const hangs = channel.call(executeJob, job("hang"), { limitMs: LIMIT_MS });
  await leaving.promise;
  await channel.disconnected();
  expect(channel.isConnected).toBe(false);
  channel.close();
  expect(await hangs).toMatchObject({ ok: false, code: status.UNAVAILABLE });
  server.close();
});

test("a peer that does not speak HTTP/2 is UNAVAILABLE", async () => {
  const server = createServer((socket) => void socket.on("error", () => {}).end("HTTP/1.1 400 No\r\n\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const channel = open(`127.0.0.1:${port}`);
  const answered = await channel.call(executeJob, job("echo"), { limitMs: LIMIT_MS });
  expect(answered).toMatchObject({ ok: false, code: status.UNAVAILABLE });
  channel.close();
  server.close();
});
