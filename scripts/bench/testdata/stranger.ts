/** A plugin that knows QNTX's protocol alone, over plain grpc-js: its jobs are unary calls. */
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import {
  type DomainPluginServiceServer,
  DomainPluginServiceService,
  ExecuteJobResponse,
  InitializeResponse,
  MetadataResponse,
} from "../../../proto/gen/protocol/domain.ts";

const unimplemented = { code: status.UNIMPLEMENTED, details: "no such method" };
const done = ExecuteJobResponse.fromPartial({ success: true });

const domain: DomainPluginServiceServer = {
  metadata: (_, answer) => answer(null, MetadataResponse.fromPartial({ name: "stranger", version: "1" })),
  initialize: (_, answer) =>
    answer(null, InitializeResponse.fromPartial({ handlerNames: ["stranger.noop"] })),
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

const server = new Server();
server.addService(DomainPluginServiceService, domain);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`QNTX_PLUGIN_PORT=${port}\n`);
});
