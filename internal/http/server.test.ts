/** The host's doors while they close: calls that are under way are answered, and who waits is told. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Env, realEnv } from "../base/env.ts";
import { silentLog } from "../base/log.ts";
import type { Context, Host } from "../operations/operation.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { HttpServer } from "./server.ts";

setDefaultTimeout(30_000); // Real sockets on a loaded machine.

let folder: string;
let store: SqliteStore;
let http: HttpServer;
let ready: boolean;
/** Looks at the store, which each wait makes again and again. */
let looks: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "qntx-http-"));
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(realEnv, { db, logPath: ":memory:", tzdata: "test" });
  looks = 0;
  ready = true;
  http = open();
  await store.jobs.enqueue([{ id: "slow", handler: "x.y", payload: new Uint8Array() }]);
});
afterEach(async () => {
  await http.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

function open(): HttpServer {
  const counting: Env = { ...realEnv, after: (delayMs, work) => (looks++, realEnv.after(delayMs, work)) };
  const host = { ready: true, plugins: { offers: () => null } } as unknown as Host;
  const context = { env: counting, log: silentLog, store, principal: { kind: "host" }, host, home: folder };
  return new HttpServer({
    env: realEnv,
    log: silentLog,
    hostname: "127.0.0.1",
    port: 0,
    socketPath: join(folder, "host.sock"),
    token: "t",
    onWrongToken() {},
    context: () => context as Context,
    ready: () => ready,
    now: () => 0,
    toSocket: () => undefined,
    metrics: () => "up 1\n",
    toPlugin: async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return new Response("from the plugin");
    },
  });
}

const call = (path: string, options: { body?: object; signal?: AbortSignal } = {}) =>
  fetch(`http://127.0.0.1:${http.port}${path}`, {
    method: options.body ? "POST" : "GET",
    headers: { authorization: "Bearer t", "content-type": "application/json" },
    ...(options.body && { body: JSON.stringify(options.body) }),
    ...(options.signal && { signal: options.signal }),
  });
const wait = (signal?: AbortSignal) =>
  call("/api/v1/call/job.wait", { body: { id: "slow", timeout: "5m" }, ...(signal && { signal }) });

async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; !isTrue(); turn++) {
    if (turn > 1_000) throw new Error("it did not become true");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a call that is under way when the doors close is answered", async () => {
  const answer = call("/api/echo/slow");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await http.close();
  expect(await (await answer).text()).toBe("from the plugin");
});

test("the socket goes with the doors, but not that of a host that has taken our place", async () => {
  const socket = join(folder, "host.sock");
  expect(await (await fetch("http://x/healthz", { unix: socket })).json()).toBeTruthy();
  await http.close();
  expect(readdirSync(folder)).toEqual([]);
  http = open();
  rmSync(socket);
  writeFileSync(socket, "theirs");
  await http.close();
  expect(existsSync(socket)).toBe(true);
});

test("who waits for a job is told that the host is ending, at once", async () => {
  const answer = wait();
  await until(() => looks > 1);
  await http.close();
  const response = await answer;
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    error: { code: "unreachable", message: "The host is ending, and job slow is queued." },
  });
});

test("nobody looks for a job any more when who waited for it is gone", async () => {
  const gone = new AbortController();
  const answer = wait(gone.signal).catch(() => "gone");
  await until(() => looks > 1);
  gone.abort();
  expect(await answer).toBe("gone");
  for (let before = -1; looks !== before;) {
    before = looks;
    await new Promise((resolve) => setTimeout(resolve, 500)); // Ten looks long.
  }
});

test.each([
  [true, 200],
  [false, 503],
])("a probe is told whether work is taken: %p", async (isReady, status) => {
  ready = isReady;
  expect((await call("/readyz")).status).toBe(status);
  expect((await call("/healthz")).status).toBe(200);
});
