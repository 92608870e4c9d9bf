/**
 * A plugin over plain grpc-js, whose jobs are unary calls: `stranger.ts NAME`. As `stranger` it knows
 * QNTX's protocol alone; as `able` it says beside that how many jobs it takes at once, and enqueues by calls.
 */
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import {
  type DomainPluginServiceServer,
  DomainPluginServiceService,
  ExecuteJobResponse,
  InitializeResponse,
  MetadataResponse,
} from "../../../proto/gen/protocol/domain.ts";
import {
  DescribeResponse,
  type PluginServiceServer,
  PluginServiceService,
} from "../../../proto/gen/qntx/v1/plugin.ts";
import { HostServiceService, NewJob } from "../../../proto/gen/qntx/v1/host.ts";
import { Channel, type Clock } from "../../../sdk/typescript/channel.ts";

interface Wanted {
  callers: number;
  ms: number;
}

const JOBS_AT_ONCE = 256; // As many as a plugin with a stream is given.
const BYTES_MAX = 4_194_304;
const CALL_LIMIT_MS = 10_000;
const name = process.argv[2] ?? "";

const unimplemented = { code: status.UNIMPLEMENTED, details: "no such method" };
const done = ExecuteJobResponse.fromPartial({ success: true });
const clock: Clock = {
  mono: () => performance.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};
let host: { channel: Channel; headers: Record<string, string> } | null = null;

const domain: DomainPluginServiceServer = {
  metadata: (_, answer) => answer(null, MetadataResponse.fromPartial({ name, version: "1" })),
  initialize({ request: { queueEndpoint: address, authToken } }, answer) {
    host = {
      channel: new Channel(clock, { address, bytesMax: BYTES_MAX }),
      headers: { authorization: `Bearer ${authToken}` },
    };
    answer(null, InitializeResponse.fromPartial({ handlerNames: [`${name}.noop`, `${name}.enqueue`] }));
  },
  executeJob({ request: { handlerName, payload } }, answer) {
    if (handlerName !== `${name}.enqueue`) return answer(null, done);
    void enqueue(JSON.parse(payload.toString()) as Wanted).then((perSecond) =>
      answer(null, ExecuteJobResponse.fromPartial({ success: true, result: Buffer.from(`${perSecond}`) })),
    );
  },
  health: (_, answer) => answer(null, { healthy: true, message: "", details: {} }),
  shutdown(_, answer) {
    answer(null, {});
    setTimeout(() => process.exit(0), 50);
  },
  handleHttp: (_, answer) => answer(unimplemented),
  handleWebSocket: (call) => void call.emit("error", unimplemented),
  configSchema: (_, answer) => answer(unimplemented),
  registerGlyphs: (_, answer) => answer(unimplemented),
};

const able: PluginServiceServer = {
  describe: (_, answer) =>
    answer(null, DescribeResponse.fromPartial({ protocol: "qntx.v1", concurrency: JOBS_AT_ONCE })),
  jobs: (call) => void call.emit("error", unimplemented),
  cleanup: (_, answer) => answer(unimplemented),
};

const server = new Server();
server.addService(DomainPluginServiceService, domain);
if (name === "able") server.addService(PluginServiceService, able);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`QNTX_PLUGIN_PORT=${port}\n`);
});

/** Enqueues for a handler that nobody offers, a job a call. Gives jobs per second. */
async function enqueue({ callers, ms }: Wanted): Promise<number> {
  const request = { jobs: [NewJob.fromPartial({ handler: "bench.nobody", payload: Buffer.from("{}") })] };
  const startedAt = performance.now();
  let calls = 0;
  const caller = async () => {
    for (; performance.now() < startedAt + ms; calls++) {
      const options = { limitMs: CALL_LIMIT_MS, headers: host?.headers ?? {} };
      const answer = await host?.channel.call(HostServiceService.enqueue, request, options);
      if (!answer?.ok) throw new Error(`A job was not taken: ${JSON.stringify(answer)}`);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return calls / ((performance.now() - startedAt) / 1_000);
}
