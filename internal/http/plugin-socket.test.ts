/** A browser that does not read makes the plugin wait; and reasons that fit into a close frame. */
import { expect, test } from "bun:test";
import type { PluginSocket, SocketEvents } from "../plugins/web-socket.ts";
import { SocketBridge } from "./plugin-socket.ts";

function tied() {
  const calls: string[] = [];
  let events: SocketEvents | undefined;
  let unread = 0;
  const plugin = {
    open: (on: SocketEvents) => (events = on),
    pause: () => calls.push("pause"),
    resume: () => calls.push("resume"),
  } as unknown as PluginSocket;
  const browser = {
    sendText: (text: string) => (unread += text.length),
    getBufferedAmount: () => unread,
    close: (code: number, reason: string) => calls.push(`${code} ${reason}`),
  } as unknown as Bun.ServerWebSocket<SocketBridge>;
  const bridge = new SocketBridge(plugin);
  bridge.open(browser);
  if (!events) throw new Error("it was not opened");
  return { calls, bridge, events, read: () => (unread = 0) };
}

test("the plugin waits while more than a mebibyte is unread", () => {
  const { calls, bridge, events, read } = tied();
  const data = Buffer.alloc(300_000);
  for (let i = 0; i < 2; i++) events.data({ data, headers: {}, timestamp: "0" });
  expect(calls).toEqual([]);
  events.data({ data, headers: {}, timestamp: "0" });
  expect(calls).toEqual(["pause"]);
  read();
  bridge.drain();
  expect(calls).toEqual(["pause", "resume"]);
});

test("a long reason is cut to whole characters", () => {
  const { calls, events } = tied();
  events.ended({ code: 1011, reason: "ü".repeat(100) });
  const [said = ""] = calls;
  expect(said).toMatch(/^1011 ü{58}…$/);
  expect(Buffer.byteLength(said.slice(5))).toBeLessThanOrEqual(123);
});
