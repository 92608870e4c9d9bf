/** Events on their way to a real server that refuses, fails, hangs, drops and lies; on a real store. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { realEnv } from "../base/env.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { type WebhookLimits, Webhooks } from "./webhooks.ts";

setDefaultTimeout(30_000); // Real sockets on a loaded machine.

const FAST: Partial<WebhookLimits> = { answerMs: 200, pauseFirstMs: 1, pauseMaxMs: 5 };

interface Received {
  id: string;
  subject: string;
  message: string;
  headers: Headers;
  body: string;
}

/** What the other side does with a request. */
type Behaviour = "take" | "500" | "hang" | "redirect" | "flood";

let store: SqliteStore;
let server: Bun.Server<undefined>;
let received: Received[];
let behaviours: Behaviour[];
let redirected: number;
let stopAll: (() => Promise<void>)[];

beforeEach(() => {
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(realEnv, { db, logPath: ":memory:", tzdata: "test" });
  received = [];
  behaviours = [];
  redirected = 0;
  stopAll = [];
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: answer,
    error: () => new Response("", { status: 500 }),
  });
});
afterEach(async () => {
  for (const stop of stopAll) await stop();
  await server.stop(true);
  await store.close();
});

async function answer(request: Request): Promise<Response> {
  if (new URL(request.url).pathname === "/elsewhere") {
    redirected++;
    return new Response("");
  }
  const body = await request.text();
  const { id, subject, message } = JSON.parse(body);
  received.push({ id, subject, message, headers: request.headers, body });
  return responseOf(behaviours.shift() ?? "take");
}

function responseOf(behaviour: Behaviour): Response | Promise<Response> {
  switch (behaviour) {
    case "500":
      return new Response("no\ndisk", { status: 500 });
    case "hang":
      return new Promise(() => {});
    case "redirect":
      return new Response("", { status: 302, headers: { location: "/elsewhere" } });
    case "flood":
      return new Response(endless(), { status: 503 });
    default:
      return new Response("thanks", { status: 202 });
  }
}

/** A body that never ends. */
function endless(): ReadableStream<Uint8Array> {
  const line = new Uint8Array(65_536).fill(120);
  return new ReadableStream({ pull: (controller) => controller.enqueue(line) });
}

/** Runs until the test is over, or `stop` is called. */
function run(options: { url?: string; secret?: string; limits?: Partial<WebhookLimits> } = {}) {
  const { url = `http://127.0.0.1:${server.port}/hook`, secret = null, limits } = options;
  const stop = new AbortController();
  const abort = new AbortController();
  const webhooks = new Webhooks({
    env: realEnv,
    log: silentLog,
    webhooks: store.webhooks,
    target: { url, secret },
    version: "1",
    limits: { ...FAST, ...limits },
  });
  const running = webhooks.run({ stop: stop.signal, abort: abort.signal });
  const end = async (hurry = true) => {
    stop.abort();
    if (hurry) abort.abort();
    await running;
  };
  stopAll.push(end);
  return { end };
}

async function add(subject: string, message = ""): Promise<string> {
  await store.webhooks.enable(true);
  return (await store.events.add({ kind: "plugin.failed", subject, message, data: {} })).id;
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await isTrue()); turn++) {
    if (turn > 2_000) throw new Error("it did not become true");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isEmpty = async () => (await store.webhooks.waiting()).count === 0;

test("an event is sent as JSON with its id, signed in a way that others can check", async () => {
  const key = Buffer.from("0123456789abcdef");
  const id = await add("echo", "It fell.");
  run({ secret: `whsec_${key.toString("base64")}` });
  await until(isEmpty);
  const [{ headers, body } = {}] = received;
  expect(headers?.get("webhook-id")).toBe(id);
  const text = `${id}.${headers?.get("webhook-timestamp")}.${body}`;
  const expected = new Bun.CryptoHasher("sha256", key).update(text).digest("base64");
  expect(headers?.get("webhook-signature")).toBe(`v1,${expected}`);
  expect(Math.abs(Number(headers?.get("webhook-timestamp")) - Date.now() / 1_000)).toBeLessThan(60);
  expect(JSON.parse(body ?? "")).toMatchObject({ id, kind: "plugin.failed", message: "It fell.", data: {} });
});

test("without a secret there is no signature", async () => {
  await add("echo");
  run();
  await until(isEmpty);
  expect(received[0]?.headers.has("webhook-signature")).toBe(false);
});

test.each([
  ["500", "it answered 500: no disk"],
  ["hang", "it did not answer within 200 ms"],
  ["redirect", "it answered 302"],
  ["flood", "it answered 503: xxx"],
] as [Behaviour, string][])(
  "what is met with %s is tried again, the same, and says why",
  async (behaviour, reason) => {
    const id = await add("echo");
    behaviours = [behaviour];
    const { end } = run({ limits: { pauseFirstMs: 60_000, pauseMaxMs: 60_000 } });
    await until(async () => (await store.webhooks.waiting()).reason.startsWith(reason));
    expect((await store.webhooks.waiting()).reason.length).toBeLessThan(400);
    await end();
    behaviours = [behaviour, behaviour];
    const [{ seq } = { seq: 0 }] = await due();
    await store.webhooks.failed(seq, { reason, dueAt: 0 });
    run();
    await until(isEmpty);
    expect(received.map((one) => one.id)).toEqual([id, id, id, id]);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(redirected).toBe(0);
  },
);

/** What waits, whenever it is due. */
async function due() {
  const { items } = await store.events.list({ after: 0 }, {});
  return items.map(({ seq }) => ({ seq }));
}

test("a connection that is cut in the middle of an answer is a try that failed", async () => {
  await add("echo");
  const cut = Bun.listen({
    port: 0,
    hostname: "127.0.0.1",
    socket: { data: (socket) => void (socket.write("HTTP/1.1 200 OK\r\ncontent-len"), socket.terminate()) },
  });
  const { end } = run({ url: `http://127.0.0.1:${cut.port}/` });
  await until(async () => (await store.webhooks.waiting()).reason !== "");
  cut.stop(true);
  await end();
  expect(await store.webhooks.waiting()).toMatchObject({ count: 1 });
});

test("a server that is not there is no reason to forget", async () => {
  const port = server.port ?? 0;
  await server.stop(true);
  const id = await add("echo");
  run({ url: `http://127.0.0.1:${port}/hook` });
  await until(async () => (await store.webhooks.waiting()).reason !== "");
  server = Bun.serve({ port, hostname: "127.0.0.1", fetch: answer });
  await until(isEmpty);
  expect(received.map((one) => one.id)).toEqual([id]);
});

test("events of one subject come in order, whatever happens to them; another subject does not wait", async () => {
  for (let number = 0; number < 5; number++) await add("a", `${number}`);
  await add("b", "alone");
  behaviours = ["hang"];
  run({ limits: { answerMs: 2_000 } });
  await until(() => received.some(({ subject }) => subject === "b"));
  expect(received.filter(({ subject }) => subject === "a")).toHaveLength(1);
  behaviours = ["500", "take", "redirect", "take", "500"];
  await until(isEmpty);
  const taken = received.filter(({ subject }) => subject === "a").map(({ message }) => message);
  expect(taken.toSorted()).toEqual(taken);
  expect(new Set(taken)).toEqual(new Set(["0", "1", "2", "3", "4"]));
});

test("what is never taken is given up aloud, and the next one gets its turn", async () => {
  const id = await add("a", "first");
  await add("a", "second");
  behaviours = ["500", "500", "500"];
  run({ limits: { giveUpAfterMs: 0, triesMin: 3 } });
  await until(isEmpty);
  expect(received.map(({ message }) => message)).toEqual(["first", "first", "first", "second"]);
  const { items } = await store.events.list({ kind: "webhook.given-up" }, {});
  expect(items).toMatchObject([
    { subject: "a", data: { eventId: id, attempts: 2, reason: "it answered 500: no disk" } },
  ]);
});

test("an end does not wait for a server that hangs", async () => {
  await add("a");
  behaviours = ["hang"];
  const { end } = run({ limits: { answerMs: 60_000, endMs: 50 } });
  await until(() => received.length === 1);
  await end(false);
  expect(await store.webhooks.waiting()).toEqual({ count: 1, reason: "" });
});

test("an end waits for what is under way; a hurried one leaves it for the next start", async () => {
  await add("a");
  behaviours = ["hang"];
  const hurried = run({ limits: { answerMs: 60_000 } });
  await until(() => received.length === 1);
  await hurried.end(true);
  expect(await store.webhooks.waiting()).toEqual({ count: 1, reason: "" });

  behaviours = ["500"];
  const patient = run({ limits: { pauseFirstMs: 60_000, pauseMaxMs: 60_000 } });
  await until(() => received.length === 2);
  await patient.end(false);
  expect((await store.webhooks.waiting()).reason).toBe("it answered 500: no disk");
});

test("nothing is sent to nobody", async () => {
  await add("a");
  const stop = new AbortController();
  const webhooks = new Webhooks({
    env: realEnv,
    log: silentLog,
    webhooks: store.webhooks,
    target: null,
    version: "1",
  });
  const running = webhooks.run({ stop: stop.signal, abort: stop.signal });
  await until(isEmpty);
  stop.abort();
  await running;
  expect(received).toEqual([]);
  const { items } = await store.events.list({ kind: "webhook.given-up" }, {});
  expect(items).toHaveLength(1);
});
