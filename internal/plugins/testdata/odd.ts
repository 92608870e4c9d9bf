/**
 * A plugin written without our SDK, over plain grpc-js, for tests: it behaves in
 * one of many odd ways, as `--mode` says.
 */
import { existsSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import {
  type DomainPluginServiceServer,
  DomainPluginServiceService,
  ExecuteJobResponse,
  HTTPResponse,
  InitializeResponse,
  MetadataResponse,
} from "../../../proto/gen/protocol/domain.ts";
import {
  DescribeResponse,
  PluginMessage,
  type PluginServiceServer,
  PluginServiceService,
} from "../../../proto/gen/qntx/v1/plugin.ts";

function option(name: string): string {
  return process.argv[process.argv.indexOf(`--${name}`) + 1] ?? "";
}

const mode = option("mode");
const pluginName = option("name");
const handlers = process.argv.includes("--handlers") ? option("handlers").split(",") : [`${pluginName}.do`];
const VAST_BYTES = 536_870_912; // 512 MiB of zeros: half a megabyte with --gzip.
const GZIP = 2; // As grpc-js counts ways to compress.
const unimplemented = { code: status.UNIMPLEMENTED, details: "no such method" };

/** What a job asks for. It comes as JSON where it came through the front door. `once X` is X at the first attempt. */
function wordOf(jobId: string, payload: Buffer): string {
  const text = payload.toString();
  const word = text.startsWith('"') ? String(JSON.parse(text)) : text;
  if (!word.startsWith("once ")) return word;
  if (existsSync(`once-${jobId}`)) return "";
  writeFileSync(`once-${jobId}`, "");
  return word.slice("once ".length);
}

/** What is done whichever way the job came. True when it is never answered. */
function act(word: string): boolean {
  const [what, argument = ""] = word.split(" ");
  if (what === "die") process.exit(3);
  if (what === "fork")
    Bun.spawn(["setsid", "sleep", argument], { stdio: ["ignore", "ignore", "ignore"] }).unref();
  if (what === "compute")
    for (const until = performance.now() + Number(argument); performance.now() < until;);
  if (what === "spin") for (;;);
  return what === "hang" || what === "fork";
}

const COSTS: Record<string, number> = {
  nan: Number.NaN,
  infinite: Number.POSITIVE_INFINITY,
  negative: -1,
};

const domain: DomainPluginServiceServer = {
  metadata: (_call, answer) =>
    answer(
      null,
      MetadataResponse.fromPartial({ name: mode === "wrong-name" ? "other" : pluginName, version: "9" }),
    ),
  initialize(call, answer) {
    if (mode === "hang-initialize") return;
    if (mode === "slow-initialize") {
      return void setTimeout(
        () => answer(null, InitializeResponse.fromPartial({ handlerNames: handlers })),
        700,
      );
    }
    if (mode === "fail-initialize") return answer({ code: status.INTERNAL, details: "no database" });
    process.stdout.write(`initialized with ${JSON.stringify(call.request.config)}\n`);
    const schedules =
      mode === "schedules"
        ? [
            {
              handlerName: handlers[0] ?? "",
              intervalSeconds: 60,
              enabledByDefault: true,
              description: "each minute",
            },
          ]
        : [];
    const names = mode === "bad-names" ? ["ok.name", "no name", "", "ok.name", "x".repeat(200)] : handlers;
    const llmProvider = mode === "gives";
    answer(null, InitializeResponse.fromPartial({ handlerNames: names, schedules, llmProvider }));
  },
  shutdown(_call, answer) {
    answer(null, {});
    if (mode !== "stay") setTimeout(() => process.exit(0), 50);
  },
  health: (_call, answer) => {
    if (mode === "no-health") return;
    answer(null, { healthy: mode !== "sick", message: mode === "sick" ? "no disk" : "", details: {} });
  },
  handleHttp(call, answer) {
    const { path } = call.request;
    if (path === "/nothing" || path === "/api/odd/nothing") return answer(unimplemented);
    if (path === "/empty" || path === "/api/odd/empty") return answer(null, HTTPResponse.fromPartial({}));
    if (path === "/whole") return answer(null, HTTPResponse.fromPartial({ statusCode: 404 }));
    answer(null, {
      statusCode: mode === "bad-http" ? 7 : 200,
      headers: [],
      body: Buffer.from(path),
    });
  },
  handleWebSocket: (call) => void call.emit("error", unimplemented),
  configSchema: (_call, answer) => answer(unimplemented),
  registerGlyphs: (_call, answer) => answer(unimplemented),
  executeJob(call, answer) {
    const word = wordOf(call.request.jobId, call.request.payload);
    const entry = {
      timestamp: "2026-01-01T00:00:00Z",
      level: "WARN",
      message: "hm",
      stage: "s",
      metadata: '{"a":1}',
    };
    const reply = (value: Parameters<typeof ExecuteJobResponse.fromPartial>[0]) =>
      answer(null, ExecuteJobResponse.fromPartial(value));
    if (word === "headers") {
      return reply({ success: true, result: Buffer.from(JSON.stringify(call.metadata.getMap())) });
    }
    if (act(word)) return void call.on("cancelled", () => process.stdout.write("told to cancel\n"));
    if (word === "no") return reply({ success: false, error: "I will not" });
    if (word === "gone") return answer({ code: status.NOT_FOUND, details: "no such handler" });
    if (word === "broken") return answer({ code: status.INTERNAL, details: "it fell over" });
    if (word === "busy") return answer({ code: status.UNAVAILABLE, details: "come back later" });
    if (word in COSTS) return reply({ success: true, costActual: COSTS[word] ?? 0 });
    if (word === "huge") return reply({ success: true, result: Buffer.alloc(2_000_000) });
    if (word in RAW) return reply({ success: true, pluginVersion: word });
    if (word === "endless") return reply({ success: true, result: Buffer.alloc(20_000_000) });
    reply({
      success: true,
      result: call.request.payload,
      progressCurrent: -1,
      progressTotal: 4,
      costActual: 0.5,
      logEntries: [entry],
    });
  },
};

const ours: PluginServiceServer = {
  describe(_call, answer) {
    if (mode === "empty-describe") return answer(null, DescribeResponse.fromPartial({}));
    answer(null, DescribeResponse.fromPartial({ protocol: "qntx.v1", stream: true, concurrency: 7 }));
  },
  cleanup: (_call, answer) => answer(unimplemented),
  jobs(call) {
    if (mode === "no-stream") return void call.emit("error", unimplemented);
    const send = (message: Parameters<typeof PluginMessage.fromPartial>[0]) =>
      call.write(PluginMessage.fromPartial(message));
    send({ ready: true });
    call.on("data", ({ starts }) => {
      for (const { jobId, fence, payload } of starts) {
        const key = { jobId, fence };
        const word = wordOf(jobId, payload);
        if (act(word)) continue;
        if (word === "stray") {
          send({
            finishes: [
              { jobId: "JB_none", fence, success: true },
              { jobId, fence: fence + 1, success: true },
            ],
          });
          send({
            logs: [{ jobId: "JB_none", fence, message: "lost" }],
            progress: [{ jobId, fence: 99, current: 1 }],
          });
        }
        if (word === "odd") {
          send({ progress: [{ ...key, current: -5, total: -1, message: "a\0b" }] });
          send({
            logs: [{ ...key, level: "shout", message: "x".repeat(20_000), at: -1, fields: "no json" }],
          });
          send({ finishes: [{ ...key, success: true, cost: Number.POSITIVE_INFINITY }] });
        } else if (word === "twice") {
          send({ finishes: [{ ...key, success: true, result: Buffer.from('"first"') }] });
          send({ finishes: [{ ...key, success: true, result: Buffer.from('"second"') }] });
        } else if (word.startsWith("other ")) {
          send({ finishes: [{ jobId: word.slice("other ".length), fence, success: true }] });
          send({ finishes: [{ ...key, success: true }] });
        } else if (word in COSTS) send({ finishes: [{ ...key, success: true, cost: COSTS[word] ?? 0 }] });
        else if (word in RAW) send({ finishes: [{ ...key, success: true }], logs: [{ message: word }] });
        else if (word === "close") call.end();
        else if (word === "mute") send({ finishes: [{ ...key, success: false }] });
        else if (word === "huge")
          send({ finishes: [{ ...key, success: true, result: Buffer.alloc(20_000_000) }] });
        else if (word.startsWith("print ")) process.stdout.write(`${word}\n`);
        else send({ finishes: [{ ...key, success: true, result: payload }] });
      }
    });
    call.on("error", () => {});
  },
};

/** Bytes that are sent in place of a message, by the word that asks for them. */
const RAW: Record<string, () => Buffer> = {
  "no-protobuf": () => Buffer.from([0xff, 0xff, 0xff, 0x07, 0x01]),
  "cut-off": () => Buffer.from([0x12, 0x7f, 0x61]),
  "no-utf8": () => Buffer.from([0x12, 0x03, 0xff, 0x41, 0xfe]), // In ExecuteJobResponse: an error of three bytes.
  vast: () => Buffer.alloc(VAST_BYTES),
};

const rawJob = {
  ...DomainPluginServiceService,
  executeJob: {
    ...DomainPluginServiceService.executeJob,
    responseSerialize: (value: ExecuteJobResponse) =>
      RAW[value.pluginVersion]?.() ?? DomainPluginServiceService.executeJob.responseSerialize(value),
  },
};
const rawStream = {
  ...PluginServiceService,
  jobs: {
    ...PluginServiceService.jobs,
    responseSerialize: (value: PluginMessage) =>
      RAW[value.logs[0]?.message ?? ""]?.() ?? PluginServiceService.jobs.responseSerialize(value),
  },
};

/** A door in front of the server that lets one connection in at a time, as some small HTTP/2 servers do. */
function oneAtATime(inner: number): Promise<number> {
  const waiting: (() => void)[] = [];
  let busy = false;
  const front = createServer((socket) => {
    const enter = () => {
      busy = true;
      const other = connect(inner, "127.0.0.1");
      socket.pipe(other).pipe(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        busy = false;
        waiting.shift()?.();
      });
    };
    if (busy) waiting.push(enter);
    else enter();
  });
  return new Promise((resolve) => {
    front.listen(0, "127.0.0.1", () => {
      const address = front.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

/** What answers every connection, in place of a gRPC server. */
const NOISES: Record<string, () => Buffer | string> = {
  "noise-tcp": () => Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))),
  "http1-tcp": () => "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi",
};

if (mode === "exit") {
  process.stderr.write("the configuration is bad\n");
  process.exit(1);
}
if (mode === "mute-tcp") {
  createServer(() => {}).listen(Number(option("port")), "127.0.0.1");
} else if (mode in NOISES) {
  const noise = NOISES[mode]?.() ?? "";
  createServer((socket) => socket.on("error", () => {}).end(noise)).listen(
    Number(option("port")),
    "127.0.0.1",
  );
} else {
  const gzip = process.argv.includes("--gzip") ? { "grpc.default_compression_algorithm": GZIP } : {};
  const server = new Server(gzip);
  server.addService(rawJob, domain);
  if (["stream", "empty-describe", "no-stream"].includes(mode)) server.addService(rawStream, ours);
  const asked = ["late-port", "garbage", "one-connection"].includes(mode) ? 0 : Number(option("port"));
  const bound = await bind(server, asked);
  const port = mode === "one-connection" ? await oneAtATime(bound) : bound;
  if (mode === "garbage") {
    process.stdout.write(Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * 7919) % 256)));
    process.stdout.write("\nnot QNTX_PLUGIN_PORT=1\nQNTX_PLUGIN_PORT=abc\n");
  }
  const line = `QNTX_PLUGIN_PORT=${port}\n`;
  if (mode === "late-port") setTimeout(() => process.stdout.write(line), 900);
  else if (mode !== "no-port") process.stdout.write(line);
}

/** The port asked for, or one of the next, as QNTX's own plugins do it. */
function bind(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (!error) resolve(bound);
      else if (mode === "no-port") reject(error);
      else resolve(bind(server, port + 1));
    });
  });
}
