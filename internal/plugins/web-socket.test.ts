/** One WebSocket over time, by a stream that a test holds: PING and PONG, a plugin that does not keep up, and every end once. */
import { beforeEach, expect, test } from "bun:test";
import { WebSocketMessage, WebSocketMessage_Type as Type } from "../../proto/gen/protocol/domain.ts";
import type { StreamEvents } from "../../sdk/typescript/channel.ts";
import { FakeEnv } from "../base/fake-env.ts";
import { Fault } from "../base/fault.ts";
import { Redactor } from "../base/redactor.ts";
import type { Session } from "./session.ts";
import {
  PING_EVERY_MS,
  PluginSocket,
  PONG_WITHIN_MS,
  QUEUE_BYTES_MAX,
  SocketCounts,
  type SocketEnd,
  SOCKETS_MAX,
} from "./web-socket.ts";

const GONE = { code: 14, details: "" }; // Whoever listens takes the sentence.

const redactor = new Redactor();
redactor.learn("demo.api_key", "hunter2-hunter2");

let env: FakeEnv;
let events: StreamEvents<WebSocketMessage>;
/** What the plugin was sent. */
let sent: WebSocketMessage[];
let keepsUp: boolean;
let cancelled: boolean;
let metadata: Record<string, string>;
let ends: SocketEnd[];
let heard: string[];
let released: number;
let isServing: boolean;
let mayServe: boolean;
let died: PromiseWithResolvers<string>;

beforeEach(() => {
  env = new FakeEnv();
  [sent, ends, heard, released] = [[], [], [], 0];
  [keepsUp, cancelled, isServing, mayServe] = [true, false, true, true];
  died = Promise.withResolvers();
});

function open(query = "who=Ada"): PluginSocket {
  const connection = {
    webSocket(headers: Record<string, string>, on: StreamEvents<WebSocketMessage>) {
      [metadata, events] = [headers, on];
      return {
        write: (message: WebSocketMessage) => (sent.push(message), keepsUp),
        pause() {},
        resume() {},
        isPaused: () => false,
        end() {},
        cancel: () => void (cancelled = true),
      };
    },
  };
  const session = { connection, over: died.promise } as unknown as Session;
  const socket = new PluginSocket({
    env,
    plugin: "demo",
    session,
    redactor,
    request: { query, headers: { "user-agent": "me" } },
    isServing: () => isServing,
    mayServe: () => mayServe,
    released: () => void released++,
  });
  socket.open({ data: ({ data }) => heard.push(data.toString()), ended: (end) => ends.push(end) });
  return socket;
}

const types = () => sent.map(({ type }) => type);
const say = (message: Partial<WebSocketMessage>) => events.message(WebSocketMessage.fromPartial(message));

test("the plugin is told who connects, with the query beside the call where it can be a header", () => {
  open(
    "Who=Ada&room=a%20b&k%C3%B6ln=1&:path=/x&te=y&grpc-timeout=1m&authorization=z&a-bin=1&n=%0A&Qntx-Tenant=acme",
  );
  expect(metadata).toEqual({ who: "Ada", room: "a b" });
  expect(sent[0]).toMatchObject({
    type: Type.CONNECT,
    headers: { "user-agent": "me", "qntx-query": expect.stringContaining("room=a%20b") },
  });
});

test("it is pinged every half minute, and given up when it has not answered for a minute", async () => {
  open();
  for (let i = 0; i < 5; i++) {
    await env.advance(PING_EVERY_MS);
    say({ type: Type.PONG, timestamp: sent.at(-1)?.timestamp ?? "" });
  }
  expect(types()).toEqual([Type.CONNECT, ...Array.from({ length: 5 }, () => Type.PING)]);
  await env.advance(PONG_WITHIN_MS + PING_EVERY_MS);
  expect(ends).toEqual([{ code: 1011, reason: "Plugin demo has answered no PING for 1m." }]);
  expect([cancelled, released]).toEqual([true, 1]);
  await env.advance(PING_EVERY_MS * 3);
  expect([ends.length, released]).toEqual([1, 1]);
});

test("a PING of the plugin is answered with its own time, which no number holds", () => {
  open();
  say(
    WebSocketMessage.decode(
      WebSocketMessage.encode(
        WebSocketMessage.fromPartial({ type: Type.PING, timestamp: "1790000000123456789" }),
      ).finish(),
    ),
  );
  expect(sent.at(-1)).toMatchObject({ type: Type.PONG, timestamp: "1790000000123456789" });
});

test("what a slow plugin has not taken waits, in order; one that does not keep up loses the connection", () => {
  const socket = open();
  keepsUp = false;
  for (const text of ["a", "b", "c"]) socket.send(Buffer.from(text), {});
  expect(sent.map(({ data }) => data.toString())).toEqual(["", "a"]);
  keepsUp = true;
  events.drained();
  expect(sent.map(({ data }) => data.toString())).toEqual(["", "a", "b", "c"]);
  keepsUp = false;
  const piece = new Uint8Array(QUEUE_BYTES_MAX / 4);
  for (let i = 0; i < 6; i++) socket.send(piece, {});
  expect(ends).toEqual([{ code: 1013, reason: "Plugin demo does not keep up." }]);
});

test.each<[string, () => void | Promise<void>, SocketEnd[]]>([
  ["CLOSE", () => say({ type: Type.CLOSE, data: Buffer.from("bye") }), [{ code: 1000, reason: "bye" }]],
  ["ERROR", () => say({ type: Type.ERROR, data: Buffer.from("no") }), [{ code: 1011, reason: "no" }]],
  [
    "the end of its stream",
    async () => {
      events.ended("UNIMPLEMENTED", GONE);
      await env.advance(1_000);
    },
    [{ code: 1011, reason: "Plugin demo ended it: UNIMPLEMENTED" }],
  ],
  [
    "its stop",
    () => {
      isServing = false;
      events.ended("the other side closed it", GONE);
    },
    [{ code: 1012, reason: "Plugin demo was stopped or restarted." }],
  ],
  [
    "its death, which is known a moment later",
    async () => {
      events.ended("the other side closed it", GONE);
      isServing = false;
      died.resolve("killed");
      await env.advance(0);
    },
    [{ code: 1012, reason: "Plugin demo was stopped or restarted." }],
  ],
])("it is over by %s, once", async (_, how, expected) => {
  const socket = open();
  say({ type: Type.DATA, data: Buffer.from("before") });
  await how();
  say({ type: Type.DATA, data: Buffer.from("after") });
  socket.send(Buffer.from("late"), {});
  socket.close();
  expect([ends, heard, released]).toEqual([expected, ["before"], 1]);
  expect(types()).toEqual([Type.CONNECT]);
});

test("a browser that goes is told to the plugin, and to nobody else", () => {
  const socket = open();
  socket.close();
  socket.close();
  expect([types(), ends, released, cancelled]).toEqual([[Type.CONNECT, Type.CLOSE], [], 1, false]);
});

test("places are counted for each plugin, and given back", () => {
  const counts = new SocketCounts();
  const release = Array.from({ length: SOCKETS_MAX }, () => counts.take("demo"));
  expect(() => counts.take("demo")).toThrow(Fault);
  counts.take("other");
  release[0]?.();
  counts.take("demo");
});

test.each<[string, (socket: PluginSocket) => unknown]>([
  ["the browser says", (socket) => socket.send(Buffer.from("x"), {})],
  ["the plugin says", () => say({ type: Type.DATA, data: Buffer.from("x") })],
  ["half a minute later", () => env.advance(PING_EVERY_MS)],
])(
  "a plugin that has lost the right to serve is not spoken to any more: what %s ends it",
  async (_, happen) => {
    const socket = open();
    mayServe = false;
    await happen(socket);
    const reason = "Plugin demo lacks cap:http.serve, and answers no requests.";
    expect(ends).toEqual([{ code: 1008, reason }]);
    expect([types(), heard, cancelled]).toEqual([[Type.CONNECT], [], true]);
  },
);

test.each([
  ["closes it", () => say({ type: Type.CLOSE, data: Buffer.from("no hunter2-hunter2 left") })],
  ["fails", () => say({ type: Type.ERROR, data: Buffer.from("no hunter2-hunter2 left") })],
  ["ends the stream", () => events.ended("no hunter2-hunter2 left", GONE)],
])("why a plugin %s is told without its secrets", async (_, end) => {
  open();
  end();
  died.resolve("");
  await Bun.sleep(0);
  expect(ends).toMatchObject([{ reason: expect.stringContaining("no [secret demo.api_key] left") }]);
});
