/** The barest server there is, for floors: gRPC calls, a gRPC stream and HTTP on a unix socket, all giving back what they get. */
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from "@grpc/grpc-js";

const bytes = {
  requestStream: false,
  responseStream: false,
  requestSerialize: (value: Buffer) => value,
  requestDeserialize: (value: Buffer) => value,
  responseSerialize: (value: Buffer) => value,
  responseDeserialize: (value: Buffer) => value,
};
const service: ServiceDefinition = {
  call: { ...bytes, path: "/bench.Echo/Call" },
  stream: { ...bytes, path: "/bench.Echo/Stream", requestStream: true, responseStream: true },
};

const call: handleUnaryCall<Buffer, Buffer> = ({ request }, answer) => answer(null, request);

const server = new Server();
server.addService(service, {
  call,
  stream: (call: ServerDuplexStream<Buffer, Buffer>) =>
    void call
      .on("data", (message: Buffer) => call.write(message))
      .on("end", () => call.end())
      .on("error", () => {}),
});
Bun.serve({ unix: process.argv[2] ?? "", fetch: async (request) => new Response(await request.text()) });
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
