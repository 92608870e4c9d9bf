import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { expect, test } from "bun:test";
import { DomainPluginServiceService as Domain } from "../../proto/gen/protocol/domain.ts";
import { realEnv } from "../base/env.ts";
import { Redactor } from "../base/redactor.ts";
import { Connection } from "./connection.ts";

test("why a plugin did not answer is told without the secrets that the host knows", async () => {
  const server = new Server();
  server.addService(Domain, {
    handleHttp: (_call: unknown, answer: (error: object) => void) =>
      answer({ code: status.INTERNAL, details: "no login with hunter2-hunter2" }),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const redactor = new Redactor();
  const connection = new Connection(realEnv, `127.0.0.1:${port}`, redactor);
  try {
    redactor.learn("odd.token", "hunter2-hunter2");
    const request = { method: "GET", path: "/", headers: [], body: Buffer.alloc(0) };
    const answer = await connection.handleHttp(request, 10_000);
    expect(answer).toMatchObject({ ok: false, details: "no login with [secret odd.token]" });
  } finally {
    connection.close();
    server.forceShutdown();
  }
});
