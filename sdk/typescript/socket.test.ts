/** A WebSocket over time, by a call that a test holds. */
import { Duplex } from "node:stream";
import { expect, test } from "bun:test";
import { WebSocketMessage, WebSocketMessage_Type as Type } from "../../proto/gen/protocol/domain.ts";
import type { Host } from "./qntx.ts";
import { serveSocket } from "./socket.ts";

/** A browser that takes `room` messages, and then none until it is told to. */
function browser(room: number) {
  const taken: string[] = [];
  const held: (() => void)[] = [];
  const call = new Duplex({
    objectMode: true,
    highWaterMark: 1,
    read() {},
    write({ data }: WebSocketMessage, _encoding, done) {
      taken.push(data.toString());
      if (taken.length <= room) done();
      else held.push(done);
    },
  });
  call.push(WebSocketMessage.fromPartial({ type: Type.CONNECT }));
  return { call, taken, read: () => held.splice(0).forEach((done) => done()) };
}

type Call = Parameters<typeof serveSocket>[0];
const HOST = { log: { error() {} } } as unknown as Host;

test("a socket that says much keeps nothing of it", async () => {
  const { call, taken } = browser(Infinity);
  const said = Promise.withResolvers<number[]>();
  serveSocket(call as unknown as Call, {
    plugin: "p",
    host: HOST,
    async handler(socket) {
      const before = call.listenerCount("drain");
      for (let i = 0; i < 1_000; i++) await socket.send(`${i}`);
      said.resolve([before, call.listenerCount("drain")]);
    },
  });
  const [before, after] = await said.promise;
  expect(after).toBe(before ?? -1);
  expect(taken.length).toBeGreaterThanOrEqual(1_000);
});

test.each(["reads", "goes"])("who sends waits until the browser %s", async (what) => {
  const { call, taken, read } = browser(1);
  const waits = Promise.withResolvers<void>();
  const said = Promise.withResolvers<string>();
  serveSocket(call as unknown as Call, {
    plugin: "p",
    host: HOST,
    async handler(socket) {
      await socket.send("one");
      const second = socket.send("two");
      waits.resolve();
      await second;
      said.resolve(socket.signal.aborted ? "gone" : "read");
    },
  });
  await waits.promise;
  expect(await Promise.race([said.promise, Promise.resolve("waits")])).toBe("waits");
  if (what === "reads") read();
  else call.destroy();
  expect(await said.promise).toBe(what === "reads" ? "read" : "gone");
  expect(taken.slice(0, 2)).toEqual(["one", "two"]);
});
