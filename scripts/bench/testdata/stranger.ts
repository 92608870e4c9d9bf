/**
 * A plugin over plain grpc-js, whose jobs are unary calls: `stranger.ts NAME`. As `stranger` it knows
 * QNTX's protocol alone; as `able` it says beside that how many jobs it takes at once.
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

const JOBS_AT_ONCE = 256; // As many as a plugin with a stream is given.
const name = process.argv[2] ?? "";

const unimplemented = { code: status.UNIMPLEMENTED, details: "no such method" };
const done = ExecuteJobResponse.fromPartial({ success: true });

const domain: DomainPluginServiceServer = {
  metadata: (_, answer) => answer(null, MetadataResponse.fromPartial({ name, version: "1" })),
  initialize: (_, answer) => answer(null, InitializeResponse.fromPartial({ handlerNames: [`${name}.noop`] })),
  executeJob: (_, answer) => answer(null, done),
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
