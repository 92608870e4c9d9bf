/** Enqueuing by the job stream: a real plugin, and a host that says what the test wants. */
import { expect, test } from "bun:test";
import { FieldFaults } from "../../proto/gen/qntx/v1/host.ts";
import type { EnqueueAnswer } from "../../proto/gen/qntx/v1/plugin.ts";
import type { HostError } from "./host-error.ts";
import { CALL_TIMEOUT_MS } from "./call.ts";
import { Driver, type StreamDriver } from "./driver.ts";
import { EnqueueCalls, STREAM_CALL_BYTES_MAX } from "./enqueuing.ts";
import { definePlugin, type Host } from "./qntx.ts";

/** A plugin whose `add` enqueues its payload, and whose host is at hand. */
async function started(): Promise<{ driver: Driver; stream: StreamDriver; host: () => Host }> {
  let host: Host | undefined;
  const driver = await Driver.start(
    definePlugin({
      name: "p",
      version: "1.0.0",
      jobs: {
        add: async ({ payload, qntx }) => (host = qntx).queue.enqueue("p.next", payload),
        leave({ qntx }) {
          host = qntx;
          void qntx.queue.enqueue("p.next", "left");
        },
      },
    }),
  );
  const stream = await driver.open();
  const known = () => {
    if (!host) throw new Error("no job has run yet");
    return host;
  };
  return { driver, stream, host: known };
}

/** What was asked for by the stream, once there are so many. */
async function asked(stream: StreamDriver, count: number) {
  const calls = () => stream.messages.flatMap(({ enqueues }) => enqueues);
  await stream.until(() => calls().length >= count);
  return calls();
}

function answer(stream: StreamDriver, number: number, said: Partial<EnqueueAnswer> = {}): void {
  const response = { jobs: [{ id: `JB_${number}`, state: "queued", created: true }] };
  stream.send({ enqueued: [{ number, response, ...said }] });
}

const textsOf = (calls: Awaited<ReturnType<typeof asked>>) =>
  calls.flatMap(({ request }) => (request?.jobs ?? []).map(({ payload }) => payload.toString()));
const result = ({ result: bytes }: { result: Uint8Array }) => JSON.parse(Buffer.from(bytes).toString());

test("a host that takes jobs on the stream is asked on it, and each is answered by itself", async () => {
  const { driver, stream } = await started();
  await using _ = driver;
  stream.send({ takesEnqueues: true });
  const first = stream.start("p.add", "one");
  await asked(stream, 1);
  const second = stream.start("p.add", "two");
  const calls = await asked(stream, 2);
  expect(textsOf(calls)).toEqual(['"one"', '"two"']);
  for (const { number } of calls.toReversed()) answer(stream, number);
  const ends = [await stream.finished(first), await stream.finished(second)];
  expect(ends.map((end) => result(end).id)).toEqual(calls.map(({ number }) => `JB_${number}`));
});

test("a refusal says on the stream what it says in a call", async () => {
  const { driver, stream, host } = await started();
  await using _ = driver;
  stream.send({ takesEnqueues: true });
  const first = stream.start("p.add", "one");
  answer(stream, (await asked(stream, 1))[0]?.number ?? 0);
  await stream.finished(first);
  const refused = host()
    .queue.enqueueMany([{ handler: "p.next" }])
    .then(
      () => undefined,
      (error: HostError) => error,
    );
  const [, call] = await asked(stream, 2);
  const faults = FieldFaults.fromPartial({
    fields: [{ field: "handler", message: "is odd." }],
    hint: "Do so.",
  });
  answer(stream, call?.number ?? 0, {
    response: undefined,
    code: "INVALID_ARGUMENT",
    message: "handler: is odd.",
    faults,
  });
  expect(await refused).toMatchObject({
    status: "INVALID_ARGUMENT",
    message: "handler: is odd. Do so.",
    fields: [{ field: "handler", message: "is odd." }],
  });
});

test.each([
  ["a host that does not say that it takes them", false, "small"],
  ["more than a message should hold", true, "x".repeat(STREAM_CALL_BYTES_MAX + 1)],
])("%s: the host is called", async (_, takesEnqueues, payload) => {
  const { driver, stream } = await started();
  await using _driver = driver;
  stream.send({ takesEnqueues });
  const end = await stream.finished(stream.start("p.add", JSON.stringify(payload)));
  expect(end.error?.message).toContain("ECONNREFUSED"); // Nobody listens where this host should.
  expect(stream.messages.flatMap(({ enqueues }) => enqueues)).toEqual([]);
});

test("who waits for an answer when the stream breaks is told that nobody knows", async () => {
  const { driver, stream, host } = await started();
  await using _ = driver;
  stream.send({ takesEnqueues: true });
  stream.start("p.leave");
  answer(stream, (await asked(stream, 1))[0]?.number ?? 0);
  const lost = host()
    .queue.enqueueMany([{ handler: "p.next" }])
    .then(
      () => undefined,
      ({ code, message }: HostError) => ({ code, message }),
    );
  await asked(stream, 2);
  stream.break();
  expect(await lost).toMatchObject({ code: "unavailable", message: expect.stringContaining("nobody knows") });
});

test("a stream that is drained stays until what was asked on it is answered", async () => {
  const { driver, stream } = await started();
  await using _ = driver;
  stream.send({ takesEnqueues: true });
  const job = stream.start("p.leave");
  const [call] = await asked(stream, 1);
  await stream.finished(job);
  stream.send({ drain: true });
  await driver.initialize(); // What was said before has been heard.
  expect(stream.ended).toBe(false);
  answer(stream, call?.number ?? 0);
  await stream.until(() => stream.ended);
});

test("a host that does not answer is waited for no longer than for a call, whoever asked before", async () => {
  let now = 0;
  const timers: { at: number; work: () => void }[] = [];
  const after = (delayMs: number, work: () => void) => {
    timers.push({ at: now + delayMs, work });
    return () => {};
  };
  const calls = new EnqueueCalls(() => {}, { mono: () => now, after });
  const codes: string[] = [];
  const ask = () =>
    calls.ask({ jobs: [] }).catch((error: HostError) => void codes.push(`${error.status} at ${now}`));
  const first = ask();
  now = 1_000;
  const second = ask();
  for (let timer = timers.shift(); timer; timer = timers.shift()) {
    now = timer.at;
    timer.work();
    await Promise.resolve();
  }
  await Promise.all([first, second]);
  expect(codes).toEqual([
    `DEADLINE_EXCEEDED at ${CALL_TIMEOUT_MS}`,
    `DEADLINE_EXCEEDED at ${CALL_TIMEOUT_MS + 1_000}`,
  ]);
});
