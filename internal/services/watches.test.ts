/** Watches over a real connection: whoever does not read is let go with a word, and is not waited for. */
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { expect, test } from "bun:test";
import { usualQuota } from "../access/quota.ts";
import { Tokens } from "../access/tokens.ts";
import type { Attestation } from "../ats/attestation.ts";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import type { Context } from "../operations/operation.ts";
import { HostServiceService } from "../wire/host.ts";
import { CallbackServer } from "./server.ts";

const STATEMENT: Attestation = {
  id: "AS-1",
  tenant: "",
  subjects: ["x".repeat(1_000)],
  predicates: ["is"],
  contexts: ["_"],
  actors: ["me"],
  timestamp: 0,
  createdAt: 0,
  source: "test",
  attributes: {},
};

test("a reader that fell behind gets what was kept for it, and then a status that says so", async () => {
  const env = new FakeEnv();
  const capabilities = new Set(["cap:ats.read" as const]);
  const tokens = new Tokens(env, {
    grants: { of: () => capabilities },
    quotas: { of: () => usualQuota("trusted") },
  });
  const contextOf = (principal: Context["principal"]): Context =>
    ({ env, log: silentLog, principal }) as unknown as Context;
  const server = new CallbackServer({ log: silentLog, tokens, contextOf });
  await server.listen();
  const client = new Client(server.endpoint("ours"), credentials.createInsecure());
  try {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${tokens.issue({ plugin: "p", tenant: "" })}`);
    const { path, responseDeserialize } = HostServiceService.watchAttestations;
    const none = (bytes: Buffer) => bytes;
    const stream = client.makeServerStreamRequest(path, none, responseDeserialize, Buffer.alloc(0), metadata);
    const ended = new Promise<ServiceError>((resolve) => stream.once("error", resolve));
    await new Promise((resolve) => stream.once("metadata", resolve));
    for (let told = 0; told < 12_000; told++) server.watches.tell([STATEMENT]);
    let read = 0;
    stream.on("data", () => read++);
    expect(await ended).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: "This reader fell behind, and is told no more.",
    });
    expect(read).toBeGreaterThanOrEqual(10_000);
    expect(read).toBeLessThan(12_000);
  } finally {
    client.close();
    server.close();
  }
});
