/** What one plugin may have on its way to the disk, by a stream that a test holds. */
import { expect, test } from "bun:test";
import { type HostMessage, PluginMessage } from "../../proto/gen/qntx/v1/plugin.ts";
import type { StreamEvents as Heard } from "../../sdk/typescript/channel.ts";
import { FakeEnv } from "../base/fake-env.ts";
import type { Connection } from "./connection.ts";
import { ENQUEUING_BYTES_MAX, StreamWire, TALK_BURST, TALK_PER_SECOND } from "./stream-wire.ts";

const ANSWER = { response: { jobs: [] }, code: "", message: "", faults: undefined };

function opened() {
  const env = new FakeEnv();
  const heard: { events?: Heard<PluginMessage> } = {};
  const plugin = { reads: true, waits: false, answers: 0 };
  const connection = {
    jobs(events: Heard<PluginMessage>) {
      heard.events = events;
      return {
        write: ({ enqueued }: HostMessage) => ((plugin.answers += enqueued.length), plugin.reads),
        pause: () => void (plugin.waits = true),
        resume: () => void (plugin.waits = false),
        isPaused: () => plugin.waits,
      };
    },
  } as unknown as Connection;
  const disk = Promise.withResolvers<typeof ANSWER>();
  const nothing = () => {};
  const told = { progress: nothing, checkpoint: nothing, log: nothing, ended: nothing };
  const more = { handlersChanged: nothing, broken: nothing, warn: nothing };
  const wire = new StreamWire(env, connection, { ...told, ...more, enqueue: () => disk.promise });
  expect(wire.isStream).toBe(true);
  const say = (message: Partial<PluginMessage>) => heard.events?.message(PluginMessage.fromPartial(message));
  const enqueue = (bytes: number) => {
    const jobs = [{ handler: "a.b", payload: Buffer.alloc(bytes) }];
    heard.events?.message(PluginMessage.fromPartial({ enqueues: [{ number: 1, request: { jobs } }] }));
  };
  const drained = () => heard.events?.drained();
  return { env, plugin, say, enqueue, drained, disk };
}

test.each([
  ["a large payload", 1, ENQUEUING_BYTES_MAX],
  ["many calls with nothing in them", 5_000, 0],
])("who enqueues more than is held waits until it is on disk: %s", async (_, calls, bytes) => {
  const { plugin, enqueue, disk } = opened();
  enqueue(1_000_000);
  expect(plugin.waits).toBe(false);
  for (let i = 0; i < calls; i++) enqueue(bytes);
  expect(plugin.waits).toBe(true);
  disk.resolve(ANSWER);
  await Bun.sleep(0); // The turn in which answers are sent.
  expect(plugin).toEqual({ reads: true, waits: false, answers: calls + 1 });
});

test("who reads no answers is not listened to until it does", async () => {
  const { plugin, enqueue, drained, disk } = opened();
  plugin.reads = false;
  disk.resolve(ANSWER);
  enqueue(0);
  await Bun.sleep(0);
  for (let i = 0; i < 5_000; i++) enqueue(0);
  await Bun.sleep(0);
  expect(plugin).toMatchObject({ waits: true, answers: 1 });
  plugin.reads = true;
  drained();
  expect(plugin).toMatchObject({ waits: false, answers: 5_001 });
});

test("who has said too much is listened to again when both are over: what it said, and what it enqueues", async () => {
  const { env, plugin, say, enqueue, disk } = opened();
  const line = { jobId: "JB_1", fence: 1, message: "x".repeat(TALK_BURST + TALK_PER_SECOND) };
  say({ logs: [{ ...line, level: "info", at: 0, stage: "", fields: "" }] });
  enqueue(ENQUEUING_BYTES_MAX);
  await env.advance(2_000);
  expect(plugin.waits).toBe(true);
  disk.resolve(ANSWER);
  await Bun.sleep(0);
  expect(plugin.waits).toBe(false);
});
