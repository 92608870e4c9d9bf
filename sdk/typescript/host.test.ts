/** `host.*` against a real gRPC server that remembers what it was asked. */
import { describe, expect, test } from "bun:test";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import {
  Attestation as WireAttestation,
  ATSStoreServiceService,
  type AttestationFilter,
} from "../../proto/gen/protocol/atsstore.ts";
import {
  FieldFaults,
  HostServiceService,
  Schedule as WireSchedule,
  type WatchAttestationsRequest,
} from "../../proto/gen/qntx/v1/host.ts";
import { connectHost, type HostClient } from "./host.ts";
import { createPluginLog } from "./log.ts";
import type { Attestation } from "./qntx.ts";
import { CALL_BYTES_MAX, CALL_JOBS_MAX } from "./queue.ts";

type Answer = (request: never) => unknown;
type WatchCall = ServerWritableStream<WatchAttestationsRequest, WireAttestation>;

/** A host that answers with what the test says, and keeps every request with its token. */
class HostStub implements AsyncDisposable {
  readonly asked: { method: string; token: unknown; request: unknown }[] = [];
  readonly watches: WatchCall[] = [];
  readonly client: HostClient;
  readonly #server: Server;
  readonly #answers: Record<string, Answer>;
  /** True for a host that sends no headers before it has something to say. */
  silent = false;
  #onWatch = () => {};

  static async start(answers: Record<string, Answer>): Promise<HostStub> {
    const server = new Server();
    const port = Promise.withResolvers<number>();
    const stub = { current: undefined as HostStub | undefined };
    const serve =
      (method: string): UntypedHandleCall =>
      (call: object, answer?: object) =>
        stub.current?.answer(method, call as never, answer as never);
    const methods = (service: object) =>
      Object.fromEntries(Object.keys(service).map((method) => [method, serve(method)]));
    server.addService(HostServiceService, methods(HostServiceService));
    server.addService(ATSStoreServiceService, methods(ATSStoreServiceService));
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? port.reject(error) : port.resolve(bound),
    );
    stub.current = new HostStub(server, await port.promise, answers);
    return stub.current;
  }

  constructor(server: Server, port: number, answers: Record<string, Answer>) {
    this.#server = server;
    this.#answers = answers;
    const address = { address: `127.0.0.1:${port}`, token: "secret", config: { a: "b" } };
    this.client = connectHost(address, { log: createPluginLog(() => {}), setJobs: async () => {} });
  }

  get host() {
    return this.client.host;
  }

  answer(
    method: string,
    call: { request: never; metadata: Metadata },
    answer: (error: unknown, value?: unknown) => void,
  ) {
    if (method === "watchAttestations") return this.#watch(call as never);
    this.asked.push({ method, token: call.metadata.get("authorization")[0], request: call.request });
    try {
      answer(null, this.#answers[method]?.(call.request));
    } catch (error) {
      answer(error);
    }
  }

  /** Resolves with the watch number `count` (from 1) once it stands. */
  async watch(count: number): Promise<WatchCall> {
    while (this.watches.length < count) await new Promise<void>((resolve) => (this.#onWatch = resolve));
    const call = this.watches[count - 1];
    if (!call) throw new Error("no watch");
    return call;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.#server.forceShutdown();
  }

  #watch(call: WatchCall): void {
    if (!this.silent) call.sendMetadata(new Metadata());
    this.watches.push(call);
    this.#onWatch();
  }
}

const refusalOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
const wire = (id: string, createdAt: number) =>
  WireAttestation.fromPartial({ id, subjects: [id], createdAt, attributes: { n: createdAt } });

describe("scheduler", () => {
  test("create sends the token, the payload as JSON, and reads the answer", async () => {
    await using stub = await HostStub.start({
      createSchedule: () =>
        WireSchedule.fromPartial({ id: "SC_1", state: "active", payload: Buffer.from('{"a":1}') }),
    });
    const schedule = await stub.host.scheduler.create({ handler: "p.go", every: "5m", payload: { a: 1 } });
    expect(schedule).toMatchObject({ id: "SC_1", state: "active", payload: { a: 1 } });
    expect(stub.asked).toMatchObject([
      { token: "Bearer secret", request: { handler: "p.go", every: "5m", upsert: false } },
    ]);
    expect(stub.asked[0]?.request).toMatchObject({ payload: Buffer.from('{"a":1}') });
  });

  test("upsert says so", async () => {
    await using stub = await HostStub.start({
      createSchedule: () => WireSchedule.fromPartial({ state: "active" }),
    });
    await stub.host.scheduler.upsert({ name: "n", handler: "p.go", cron: "@daily", paused: true });
    expect(stub.asked[0]?.request).toMatchObject({ name: "n", cron: "@daily", upsert: true, paused: true });
  });

  test("update leaves out what is not changed", async () => {
    await using stub = await HostStub.start({
      updateSchedule: () => WireSchedule.fromPartial({ state: "paused" }),
    });
    await stub.host.scheduler.update("SC_1", { every: "10m", revision: 3 });
    expect(stub.asked[0]?.request).toMatchObject({
      id: "SC_1",
      every: "10m",
      revision: 3,
      payload: undefined,
      cron: undefined,
    });
  });

  test("list follows the cursor to the end", async () => {
    await using stub = await HostStub.start({
      listSchedules: ({ cursor }: { cursor: string }) => ({
        schedules: [WireSchedule.fromPartial({ id: cursor || "first", state: "active" })],
        cursor: cursor === "" ? "second" : "",
      }),
    });
    expect((await stub.host.scheduler.list()).map(({ id }) => id)).toEqual(["first", "second"]);
  });

  test("get of what does not exist is undefined", async () => {
    const gone = () => {
      throw { code: status.NOT_FOUND, details: "There is no schedule x." };
    };
    await using stub = await HostStub.start({ getSchedule: gone, pauseSchedule: gone });
    expect(await stub.host.scheduler.get("x")).toBeUndefined();
    const refusal = await refusalOf(stub.host.scheduler.pause("x"));
    expect(refusal).toMatchObject({
      name: "HostError",
      code: "not-found",
      message: "There is no schedule x.",
    });
  });
});

test("a refusal carries its fields, its hint, when to try again and the limit that is reached", async () => {
  const fields = [{ field: "every", message: "is too short" }];
  const limit = { name: "scheduleInterval", allows: 300_000, used: 60_000 };
  await using stub = await HostStub.start({
    createSchedule: () => {
      const metadata = new Metadata();
      const faults = FieldFaults.encode({ fields, hint: "Use 5m.", retryAfterMs: 1200, limit }).finish();
      metadata.set("qntx-fields-bin", Buffer.from(faults));
      throw { code: status.INVALID_ARGUMENT, details: "every is too short.", metadata };
    },
  });
  const refusal = await refusalOf(stub.host.scheduler.create({ handler: "p.go", every: "1s" }));
  expect(refusal).toMatchObject({ code: "validation", fields, hint: "Use 5m.", retryAfterMs: 1200, limit });
});

test("a host that is not there is an UNAVAILABLE error", async () => {
  const client = connectHost(
    { address: "", token: "t", config: {} },
    { log: createPluginLog(() => {}), setJobs: async () => {} },
  );
  expect(await refusalOf(client.host.queue.enqueue("p.go"))).toMatchObject({
    name: "HostError",
    code: "unavailable",
  });
  client.close();
});

describe("queue", () => {
  test("enqueue and enqueueMany ask once and keep the order", async () => {
    await using stub = await HostStub.start({
      enqueue: ({ jobs }: { jobs: { id: string }[] }) => ({
        jobs: jobs.map(({ id }, at) => ({ id, state: "queued", created: at === 0 })),
      }),
    });
    expect(
      await stub.host.queue.enqueue(
        "p.go",
        { a: 1 },
        { id: "x", priority: -1, concurrencyKey: "acme", costEstimate: 0.5 },
      ),
    ).toEqual({
      id: "x",
      created: true,
    });
    expect(
      await stub.host.queue.enqueueMany([
        { handler: "p.a", id: "1" },
        { handler: "p.b", id: "2" },
      ]),
    ).toEqual([
      { id: "1", created: true },
      { id: "2", created: false },
    ]);
    expect(await stub.host.queue.enqueueMany([])).toEqual([]);
    expect(stub.asked).toHaveLength(2);
    expect(stub.asked[0]?.request).toMatchObject({
      jobs: [
        {
          handler: "p.go",
          payload: Buffer.from('{"a":1}'),
          priority: -1,
          concurrencyKey: "acme",
          costEstimate: 0.5,
        },
      ],
    });
  });

  /** A host that refuses calls with jobs of these handlers, as a whole. */
  const refusing = (...wrong: string[]) =>
    HostStub.start({
      enqueue({ jobs }: { jobs: { id: string; handler: string }[] }) {
        const found = jobs.find(({ handler }) => wrong.includes(handler));
        if (found) throw { code: status.INVALID_ARGUMENT, details: `no ${found.handler}` };
        return { jobs: jobs.map(({ id }) => ({ id, state: "queued", created: true })) };
      },
    });
  const idsAsked = ({ asked }: HostStub) =>
    asked.map(({ request }) => (request as { jobs: { id: string }[] }).jobs.map(({ id }) => id));

  test("what is enqueued in one turn travels in one call, and before what is enqueued together after it", async () => {
    await using stub = await refusing();
    const { queue } = stub.host;
    const ids = ["a", "b", "c"];
    const first = ids.map((id) => queue.enqueue("p.go", undefined, { id }));
    const second = queue.enqueueMany([{ handler: "p.go", id: "d", waitFor: ["a"] }]);
    expect(await Promise.all(first)).toEqual(ids.map((id) => ({ id, created: true })));
    expect(await second).toEqual([{ id: "d", created: true }]);
    expect(idsAsked(stub)).toEqual([["a", "b", "c"], ["d"]]);
  });

  test("a call is cut before it has more jobs or bytes than a host takes at once", async () => {
    await using stub = await refusing();
    const half = new Uint8Array(CALL_BYTES_MAX / 2);
    const large = ["a", "b", "c"].map((id) => stub.host.queue.enqueue("p.go", half, { id }));
    await Promise.all(large);
    const many = Array.from({ length: CALL_JOBS_MAX + 1 }, () => stub.host.queue.enqueue("p.go"));
    await Promise.all(many);
    const sizes = idsAsked(stub).map(({ length }) => length); // A small call may overtake a large one.
    expect(sizes.toSorted((a, b) => b - a)).toEqual([CALL_JOBS_MAX, 2, 1, 1]);
  });

  test("who is refused is refused alone, and in order", async () => {
    await using stub = await refusing("p.wrong", "p.bad");
    const handlers = ["p.a", "p.wrong", "p.b", "p.bad", "p.c"];
    const endings = await Promise.allSettled(
      handlers.map((handler, at) => stub.host.queue.enqueue(handler, undefined, { id: String(at) })),
    );
    const said = (ending: PromiseSettledResult<{ id: string }>) =>
      ending.status === "fulfilled" ? ending.value.id : ending.reason.message;
    expect(endings.map(said)).toEqual(["0", "no p.wrong", "2", "no p.bad", "4"]);
    expect(idsAsked(stub)[0]).toHaveLength(5);
    expect(idsAsked(stub).filter((ids) => ids.length === 1)).toEqual([["0"], ["1"], ["2"], ["3"], ["4"]]);
  });

  test.each([
    ["nobody knows what was written", status.INTERNAL],
    ["the plugin may not enqueue at all", status.PERMISSION_DENIED],
    ["it may not enqueue so much", status.RESOURCE_EXHAUSTED],
  ])("when %s, nothing is asked for twice", async (_, code) => {
    let calls = 0;
    await using stub = await HostStub.start({
      enqueue() {
        calls++;
        throw { code, details: "broken" };
      },
    });
    const both = [stub.host.queue.enqueue("p.a"), stub.host.queue.enqueue("p.b")];
    expect((await Promise.allSettled(both)).map((ending) => ending.status)).toEqual(["rejected", "rejected"]);
    expect(calls).toBe(1);
  });
});

describe("ats", () => {
  test("create and query carry the token in the message, attributes as they are", async () => {
    await using stub = await HostStub.start({
      generateAndCreateAttestation: () => ({ success: true, error: "", attestation: wire("AS_1", 5) }),
      getAttestations: () => ({ success: true, error: "", attestations: [wire("AS_1", 5)] }),
    });
    const attributes = { n: 1, text: "x", deep: { list: [1, "a", null, true] } };
    const made = await stub.host.ats.create({ subjects: ["s"], predicates: ["p"], attributes });
    expect(made).toMatchObject({ id: "AS_1", createdAt: 5, attributes: { n: 5 } });
    expect(await stub.host.ats.query({ subjects: ["s"], limit: 3 })).toHaveLength(1);
    expect(stub.asked[0]?.request).toMatchObject({
      authToken: "secret",
      command: { subjects: ["s"], attributes },
    });
    expect(stub.asked[1]?.request).toMatchObject({
      authToken: "secret",
      filter: { subjects: ["s"], limit: 3 },
    });
  });

  test("success=false is an error with the host's sentence", async () => {
    await using stub = await HostStub.start({
      getAttestations: () => ({ success: false, error: "invalid authentication token", attestations: [] }),
    });
    expect(await refusalOf(stub.host.ats.query({}))).toMatchObject({
      name: "HostError",
      message: "invalid authentication token",
    });
  });

  test("createMany goes in batches and counts them together", async () => {
    await using stub = await HostStub.start({
      batchGenerateAndCreateAttestations: ({ commands }: { commands: unknown[] }) => ({
        success: true,
        error: "",
        created: commands.length,
      }),
    });
    const many = Array.from({ length: 1_001 }, (_, at) => ({ subjects: [`s${at}`] }));
    expect(await stub.host.ats.createMany(many)).toBe(1_001);
    expect(stub.asked).toHaveLength(3);
  });

  test("watch hands over what is made, and ends with its signal", async () => {
    await using stub = await HostStub.start({});
    const end = new AbortController();
    const watching = collect(stub.host.ats.watch({ predicates: ["handler"] }, end.signal), 2);
    const call = await stub.watch(1);
    expect(call.request.filter?.predicates).toEqual(["handler"]);
    call.write(wire("a", 1));
    call.write(wire("b", 2));
    expect((await watching).map(({ id }) => id)).toEqual(["a", "b"]);

    const rest = collect(stub.host.ats.watch({}, end.signal), 1);
    await stub.watch(2);
    end.abort();
    expect(await rest).toEqual([]);
  });

  test.each([
    ["says when the watch stands", false],
    ["says nothing", true],
  ])("a watch whose stream breaks is opened again and misses nothing; the host %s", async (_, silent) => {
    const now = Date.now();
    const made = [wire("between", now + 2_000), wire("before", now + 1_000), wire("long-ago", now - 60_000)];
    await using stub = await HostStub.start({
      getAttestations: ({ filter }: { filter: AttestationFilter }) => ({
        success: filter.predicates[0] === "handler",
        error: "",
        attestations: made,
      }),
    });
    stub.silent = silent;
    const watching = collect(stub.host.ats.watch({ predicates: ["handler"] }), 3);
    const first = await stub.watch(1);
    first.write(wire("before", now + 1_000));
    first.emit("error", { code: status.UNAVAILABLE, details: "the host went away" });
    const second = await stub.watch(2);
    second.write(wire("after", now + 3_000));
    expect((await watching).map(({ id }) => id).toSorted()).toEqual(["after", "before", "between"]);
  });
});

async function collect(attestations: AsyncIterable<Attestation>, count: number): Promise<Attestation[]> {
  const all: Attestation[] = [];
  for await (const attestation of attestations) if (all.push(attestation) === count) break;
  return all;
}
