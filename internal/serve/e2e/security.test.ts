/**
 * What is promised of a host that runs, tried on one: where it listens, whose requests
 * it answers, where its secrets are, and that whatever comes over a wire ends at the wire.
 * docs/security.md says which promise is tried where.
 */
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { ATSStoreServiceClient } from "../../../proto/gen/protocol/atsstore.ts";
import {
  DomainPluginServiceClient,
  ExecuteJobRequest,
  InitializeRequest,
} from "../../../proto/gen/protocol/domain.ts";
import { Job, QueueServiceClient } from "../../../proto/gen/protocol/queue.ts";
import { HostServiceClient } from "../../../proto/gen/qntx/v1/host.ts";
import { socketPath } from "../../http/socket.ts";
import { Place } from "./host.ts";

setDefaultTimeout(60_000);

const CANARY = "canary-7Hq2wLx9";
const PLUGIN = `import { renameSync, writeFileSync } from "node:fs";
export default {
  name: "keyholder", version: "1", handler_names: ["keyholder.work"],
  init(request) {
    console.log("I was given", Object.keys(request.config).join());
    writeFileSync("told.new", JSON.stringify(request)); renameSync("told.new", "told.json");
  },
  executeJob: () => ({ success: true }),
  registerHTTP(mux) {
    const says = { evil: ["x-evil", "a\\r\\nset-cookie: b=c"], bad: ["bad name", "a"], far: ["x-far", "über"] };
    for (const [path, [name, value]] of Object.entries(says))
      mux.handle("GET", "/" + path, (_request, response) => { response.setHeader(name, value); response.text("x"); });
  },
};`;

let place: Place;
let told: { queue_endpoint: string; auth_token: string; config: Record<string, string> };
let operator: string;
let port: number;

beforeAll(async () => {
  place = new Place(
    '[plugin]\nenabled = ["keyholder"]\nbundled = false\n[keyholder]\nkey = "env:QNTX_TEST_CANARY"\n',
  );
  place.write("plugins/keyholder.ts", PLUGIN);
  await place.start({ vars: { QNTX_TEST_CANARY: CANARY } });
  await place.working();
  told = JSON.parse(readFileSync(join(place.home, "plugins-data/keyholder/told.json"), "utf8"));
  operator = readFileSync(join(place.home, "operator.token"), "utf8").trim();
  port = Number(new URL(place.host.address).port);
});
afterAll(() => place[Symbol.asyncDispose]());

/** The processes of this host: its keeper, itself, its plugins and theirs. */
function processes(): number[] {
  const all = [place.host.process.pid];
  for (const pid of all) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    if (children !== "") all.push(...children.split(" ").map(Number));
  }
  return all;
}

/** Where they listen: addresses and ports, as the kernel writes them. */
function listening(pids: readonly number[]): string[] {
  const inodes = new Set(
    pids.flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
        } catch {
          return []; // It was closed meanwhile.
        }
      }),
    ),
  );
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((row) => row[3] === "0A" && inodes.has(row[9] ?? ""))
      .map((row) => row[1] ?? ""),
  );
}

test("everything that the host and its plugins listen on is of this machine alone", () => {
  const addresses = listening(processes()).map((at) => at.split(":")[0] ?? "");
  expect(addresses.length).toBeGreaterThanOrEqual(3); // HTTP, the services, the plugin.
  const loopback = ["0100007F", "00000000000000000000000001000000"];
  expect(addresses.filter((address) => !loopback.includes(address))).toEqual([]);
});

test("a plugin of our SDKs answers its host alone, whoever finds its port", async () => {
  const { pid } = await place.plugin("keyholder");
  const [at = ""] = listening(pid === null ? [] : [pid]);
  const address = `127.0.0.1:${Number.parseInt(at.split(":")[1] ?? "", 16)}`;
  const client = new DomainPluginServiceClient(address, credentials.createInsecure());
  const forged = new Metadata();
  forged.set("authorization", `Bearer ${operator}`);
  const refusal = (call: (answer: (error: { code: number } | null) => void) => unknown) =>
    new Promise<number>((resolve) => call((error) => resolve(error?.code ?? status.OK)));
  for (const metadata of [new Metadata(), forged]) {
    const work = ExecuteJobRequest.fromPartial({ handlerName: "keyholder.work" });
    const mine = InitializeRequest.fromPartial({ authToken: operator, queueEndpoint: "127.0.0.1:1" });
    expect(await refusal((answer) => client.executeJob(work, metadata, answer))).toBe(status.UNAUTHENTICATED);
    expect(await refusal((answer) => client.initialize(mine, metadata, answer))).toBe(status.UNAUTHENTICATED);
    expect(await refusal((answer) => client.shutdown({}, metadata, answer))).toBe(status.UNAUTHENTICATED);
  }
  client.close();
  expect(await place.ended(await place.enqueue("keyholder.work", {}))).toMatchObject({ state: "completed" });
});

/** Sends a request as it is written, and gives the status that is answered. */
async function raw(...lines: string[]): Promise<number> {
  const answer = Promise.withResolvers<string>();
  let got = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_socket, chunk) {
        got += chunk.toString();
        if (got.includes("\r\n")) answer.resolve(got);
      },
      close: () => answer.resolve(got),
    },
  });
  socket.write([...lines, "Connection: close", "", ""].join("\r\n"));
  const line = await answer.promise;
  socket.end();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(line)?.[1] ?? 0);
}

describe("a request that names another host", () => {
  const bearer = () => `Authorization: Bearer ${operator}`;
  const get = "GET /api/keyholder/nothing HTTP/1.1";

  test.each([
    ["evil.example"],
    ["127.0.0.1.evil.example:PORT"],
    ["localhost.evil:PORT"],
    ["127.0.0.1:1"],
    ["127.0.0.1:PORT@evil"],
    ["127.1:PORT"],
    ["0.0.0.0:PORT"],
    ["2130706433:PORT"],
    ["[::ffff:127.0.0.1]:PORT"],
    ["localhost.:PORT"],
    [""],
  ])("is refused: %p", async (host) => {
    const code = await raw(get, `Host: ${host.replace("PORT", `${port}`)}`, bearer());
    expect([400, 403]).toContain(code);
  });

  test("is refused when it names two, or none, or one in its first line", async () => {
    const own = `Host: 127.0.0.1:${port}`;
    for (const lines of [
      [get, bearer()],
      [get, own, "Host: evil.example", bearer()],
      [get, "Host: evil.example", own, bearer()],
      ["GET http://evil.example/api/keyholder/nothing HTTP/1.1", "Host: evil.example", bearer()],
    ])
      expect([400, 403]).toContain(await raw(...lines));
  });

  test.each([["127.0.0.1"], ["LOCALHOST"], ["[::1]"]])(
    "is answered when it is one of ours: %s",
    async (name) => {
      expect(await raw(get, `Host: ${name}:${port}`, bearer())).toBe(404);
    },
  );
});

test("the operator's socket and token are for nobody else, and a token that others can read is refused", async () => {
  for (const path of [socketPath(place.home), join(place.home, "operator.token")])
    expect([path, statSync(path).mode & 0o777]).toEqual([path, 0o600]);
  await using other = new Place();
  other.write("operator.token", "t".repeat(64), 0o644);
  const { code, stderr } = await other.cli(["serve", "--port", "0"]);
  expect([code, stderr]).toEqual([3, expect.stringContaining("operator.token can be read by others.")]);
  other.write("empty/operator.token", "", 0o600);
  const empty = await other.cli(["serve", "--port", "0", "--home", "empty"]);
  expect([empty.code, empty.stderr]).toEqual([3, expect.stringContaining("operator.token is empty.")]);
});

test("no page of another site, form or look changes anything", async () => {
  const bearer = `Bearer ${operator}`;
  const url = `${place.host.address}/api/v1/call/schedule.create`;
  const schedule = JSON.stringify({ name: "planted", handler: "keyholder.work", every: "1h" });
  const json = { authorization: bearer, "content-type": "application/json" };
  const origins = [
    "http://evil.example",
    "null",
    `http://127.0.0.1.evil:${port}`,
    `https://127.0.0.1:${port}`,
  ];
  const tried: RequestInit[] = [
    ...origins.map((origin) => ({ method: "POST", body: schedule, headers: { ...json, origin } })),
    ...["same-site", "cross-site"].map((site) => ({
      method: "POST",
      body: schedule,
      headers: { ...json, "sec-fetch-site": site },
    })),
    ...["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""].map((type) => ({
      method: "POST",
      body: schedule,
      headers: { authorization: bearer, ...(type !== "" && { "content-type": type }) },
    })),
    { method: "GET", headers: json },
    { method: "PUT", body: schedule, headers: json },
  ];
  for (const init of tried) {
    const answer = await fetch(url, init);
    expect([400, 403]).toContain(answer.status);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  }
  for (const path of ["/api/keyholder/any", "/ws/keyholder"])
    for (const headers of [
      {},
      { authorization: `Bearer ${told.auth_token}` },
      { ...json, origin: "http://evil.example" },
    ])
      expect([path, (await fetch(`${place.host.address}${path}`, { headers })).status]).toEqual([path, 403]);
  expect((await place.call<{ schedules: unknown[] }>("schedule.list")).schedules).toEqual([]);
});

test("a call with a wrong token is counted, and stands in the trail, at both doors", async () => {
  const queue = new QueueServiceClient(told.queue_endpoint, credentials.createInsecure());
  await new Promise((resolve) => queue.listJobs({ authToken: "x".repeat(64), status: "" }, resolve));
  queue.close();
  const metrics = (token: string) =>
    fetch(`${place.host.address}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  expect((await metrics(told.auth_token)).status).toBe(403);
  const text = await (await metrics(operator)).text();
  const { entries } = await place.call<{ entries: { operation: string; subject: string }[] }>("audit.list", {
    limit: 1_000,
  });
  for (const door of ["http", "services"]) {
    expect(text).toMatch(new RegExp(`^qntx_wrong_tokens_total{door="${door}"} [1-9]`, "m"));
    expect(
      entries.filter((each) => each.operation === "token.refuse").map(({ subject }) => subject),
    ).toContain(door);
  }
});

test("a header of a plugin that HTTP cannot say is refused by its name, and bytes beyond ASCII pass", async () => {
  for (const [path, name] of [
    ["evil", "x-evil"],
    ["bad", "bad name"],
  ]) {
    const answer = await place.http(`/api/keyholder/${path}`);
    expect(await answer.text()).toContain(
      `Plugin keyholder answered with header \\"${name}\\", which cannot be sent.`,
    );
    expect(answer.headers.get("set-cookie")).toBeNull();
  }
  const far = await place.http("/api/keyholder/far");
  expect(Buffer.from(far.headers.get("x-far") ?? "", "latin1").toString()).toBe("über");
});

test("the tokens and what a reference leads to are nowhere where others look", async () => {
  expect(told.config).toEqual({ key: CANARY }); // The plugin has it.
  await place.ended(await place.enqueue("keyholder.work", {}));
  const looked = await Promise.all(
    [
      ["plugin", "list"],
      ["plugin", "show", "keyholder"],
      ["plugin", "logs", "keyholder"],
      ["job", "list"],
      ["event", "list"],
      ["audit", "list"],
      ["config", "show"],
      ["status"],
    ].map(async (words) => {
      const { stdout, stderr } = await place.cli(words, { vars: { QNTX_TEST_CANARY: CANARY } });
      const json = await place.cli([...words, "--json"], { vars: { QNTX_TEST_CANARY: CANARY } });
      return [words.join(" "), stdout, stderr, json.stdout] as const;
    }),
  );
  const files = readdirSync(place.home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !["operator.token", "told.json"].includes(entry.name))
    .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), "latin1")] as const);
  const own = processes().map((pid) => {
    const environ =
      pid === place.host.pid || pid === place.host.process.pid
        ? ""
        : readFileSync(`/proc/${pid}/environ`, "latin1");
    return [`process ${pid}`, readFileSync(`/proc/${pid}/cmdline`, "latin1"), environ] as const;
  });
  const places = [...looked, ...files, ...own, ["what the host said", place.host.text] as const];
  expect(places.length).toBeGreaterThan(15);
  for (const [where, ...texts] of places)
    for (const [what, secret] of Object.entries({ token: told.auth_token, operator, canary: CANARY }))
      expect([where, what, texts.some((text) => text.includes(secret))]).toEqual([where, what, false]);
});

describe("over the wire", () => {
  const FLOOD = 10_000;
  const GROWTH_BYTES_MAX = 64 * 1_048_576; // What a runtime keeps of ten thousand streams; a leak is more.
  const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const HEADERS = Buffer.concat(
    [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/protocol.QueueService/GetJob"],
      [":authority", "x"],
      ["content-type", "application/grpc"],
    ].map(([name = "", value = ""]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ]),
    ),
  );

  function frame(type: number, flags: number, stream: number, body = Buffer.alloc(0)): Buffer {
    const head = Buffer.alloc(9);
    head.writeUIntBE(body.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, body]);
  }

  /** Sends bytes to the services until all are sent or the host has hung up, and hangs up. */
  async function send(address: string, bytes: Buffer): Promise<void> {
    const [hostname = "", to = ""] = address.split(":");
    const over = Promise.withResolvers<void>();
    let sent = 0;
    const write = (socket: Bun.Socket) => {
      while (sent < bytes.length) {
        const written = socket.write(bytes.subarray(sent, sent + 65_536));
        if (written <= 0) return;
        sent += written;
      }
      socket.flush();
      socket.end();
    };
    await Bun.connect({
      hostname,
      port: Number(to),
      socket: {
        open: write,
        drain: write,
        data() {},
        close: () => over.resolve(),
        error: () => over.resolve(),
      },
    });
    await over.promise;
  }

  const memory = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${place.host.pid}/status`, "utf8"))?.[1]) * 1_024;

  async function alive(): Promise<void> {
    const queue = new QueueServiceClient(told.queue_endpoint, credentials.createInsecure());
    const answer = await new Promise<{ success: boolean }>((resolve, reject) =>
      queue.listJobs({ authToken: told.auth_token, status: "" }, (error, got) =>
        error ? reject(error) : resolve(got),
      ),
    );
    queue.close();
    expect(answer.success).toBe(true);
    expect(await place.call("host.status")).toMatchObject({ running: true, ready: true });
  }

  test("ten thousand streams that are opened and cancelled, pings and settings are answered or hung up on", async () => {
    const before = memory();
    const opened = Array.from({ length: FLOOD }, (_, index) => {
      const stream = index * 2 + 1;
      return [frame(1, 4, stream, HEADERS), frame(3, 0, stream, Buffer.from([0, 0, 0, 8]))];
    }).flat();
    const pings = Array.from({ length: FLOOD }, () => frame(6, 0, 0, Buffer.alloc(8)));
    const settings = Array.from({ length: FLOOD }, () => frame(4, 0, 0));
    for (const flood of [opened, pings, settings])
      await send(told.queue_endpoint, Buffer.concat([PREFACE, frame(4, 0, 0), ...flood]));
    await alive();
    expect(memory() - before).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test("ten thousand frames of anything leave the host as it was", async () => {
    const before = memory();
    let seed = 1;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let connection = 0; connection < 200; connection++) {
      const frames = Array.from({ length: 50 }, () => {
        const body = Buffer.from(Array.from({ length: random(64) }, () => random(256)));
        const made = frame(random(12), random(256), random(3) === 0 ? 0 : random(20), body);
        if (random(20) === 0) made.writeUIntBE(random(0xff_ff_ff), 0, 3); // A length that is not its own.
        return made;
      });
      const begin = connection % 4 === 0 ? [] : [PREFACE, frame(4, 0, 0), frame(1, 4, 1, HEADERS)];
      await send(told.queue_endpoint, Buffer.concat([...begin, ...frames]));
    }
    await alive();
    expect(memory() - before).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test("one more than a limit is refused, and is not kept", async () => {
    const before = memory();
    const queue = new QueueServiceClient(told.queue_endpoint, credentials.createInsecure());
    const message = await new Promise<number>((resolve) =>
      queue.getJob({ authToken: told.auth_token, jobId: "x".repeat(4_194_304) }, (error) =>
        resolve(error?.code ?? 0),
      ),
    );
    expect(message).toBe(status.RESOURCE_EXHAUSTED);
    queue.close();
    const body = `"${"x".repeat(8_388_608)}"`;
    expect((await place.http("/api/v1/call/job.list", { body })).status).toBe(413);
    const payload = "x".repeat(262_143); // With its quotes one byte too long.
    expect(
      (
        await place.http("/api/v1/call/job.enqueue", {
          body: JSON.stringify({ handler: "keyholder.work", payload }),
        })
      ).status,
    ).toBe(400);
    const host = new HostServiceClient(told.queue_endpoint, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${told.auth_token}`);
    metadata.set("x-large", "x".repeat(1_048_576));
    const headers = await new Promise<number>((resolve) =>
      host.listSchedules({ handler: "", state: "", limit: 0, cursor: "" }, metadata, (error) =>
        resolve(error?.code ?? 0),
      ),
    );
    expect(headers).not.toBe(0);
    host.close();
    await alive();
    expect(memory() - before).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test("what is nested deeper than anybody can answer it is shown as a text, and hides nothing else", async () => {
    const queue = new QueueServiceClient(told.queue_endpoint, credentials.createInsecure());
    const ats = new ATSStoreServiceClient(told.queue_endpoint, credentials.createInsecure());
    const { authToken, payload } = {
      authToken: told.auth_token,
      payload: Buffer.from(`${'["]",'.repeat(40_000)}1${"]".repeat(40_000)}`),
    };
    const job = Job.fromPartial({ handlerName: "keyholder.deep", payload });
    const { jobId } = await new Promise<{ jobId: string }>((resolve, reject) =>
      queue.enqueue({ authToken, job }, (error, answer) => (error ? reject(error) : resolve(answer))),
    );
    expect(await place.call("job.show", { id: jobId })).toMatchObject({ payload: payload.toString() });
    expect((await place.call<{ jobs: unknown[] }>("job.list")).jobs.length).toBeGreaterThan(0);
    // A Struct by hand: a list in a list, ten thousand times.
    const within = (field: number, bytes: Buffer) => {
      const head: number[] = [(field << 3) | 2];
      for (let left = bytes.length; ; left >>>= 7) {
        head.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
        if (left <= 0x7f) return Buffer.concat([Buffer.from(head), bytes]);
      }
    };
    let value = Buffer.from([0x08, 0x00]);
    for (let depth = 0; depth < 10_000; depth++) value = within(6, within(1, value));
    const attributes = within(1, Buffer.concat([within(1, Buffer.from("deep")), within(2, value)]));
    const command = Buffer.concat([within(1, Buffer.from("abyss")), within(6, attributes)]);
    const request = Buffer.concat([within(1, Buffer.from(authToken)), within(2, command)]);
    const answered = await new Promise<string>((resolve) =>
      ats.makeUnaryRequest(
        "/protocol.ATSStoreService/GenerateAndCreateAttestation",
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        request,
        (error, answer) => resolve(error ? `${status[error.code]}` : `answered ${answer?.length} bytes`),
      ),
    );
    for (const client of [queue, ats]) client.close();
    expect(answered).toBe("INTERNAL");
    expect(await place.call("ats.query", { subjects: ["abyss"] })).toEqual({ attestations: [] });
    await alive();
  });
});
