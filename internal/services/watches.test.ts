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
import { WATCHES_OF_ONE_MAX } from "./watches.ts";

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

/** A server with one plugin that may read, and a way to follow what it is told. */
async function serving() {
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
  const metadata = new Metadata();
  const token = tokens.issue({ plugin: "p", tenant: "" });
  metadata.set("authorization", `Bearer ${token}`);
  const follow = () => {
    const { path, responseDeserialize } = HostServiceService.watchAttestations;
    const none = (bytes: Buffer) => bytes;
    const stream = client.makeServerStreamRequest(path, none, responseDeserialize, Buffer.alloc(0), metadata);
    const ended = new Promise<ServiceError>((resolve) => stream.once("error", resolve));
    const opened = new Promise((resolve) => stream.once("metadata", resolve));
    return { stream, ended, opened };
  };
  return {
    watches: server.watches,
    follow,
    capabilities,
    revokeToken: () => tokens.revoke(token),
    [Symbol.dispose]() {
      client.close();
      server.close();
    },
  };
}

test("a reader that fell behind gets what was kept for it, and then a status that says so", async () => {
  using server = await serving();
  const { stream, ended, opened } = server.follow();
  await opened;
  for (let told = 0; told < 12_000; told++) server.watches.tell([STATEMENT]);
  let read = 0;
  stream.on("data", () => read++);
  expect(await ended).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: "This reader fell behind, and is told no more.",
  });
  expect(read).toBeGreaterThanOrEqual(10_000);
  expect(read).toBeLessThan(12_000);
});

test.each(["capability", "token"])("who has lost its %s is told nothing more", async (what) => {
  using server = await serving();
  const { stream, ended, opened } = server.follow();
  await opened;
  server.watches.tell([STATEMENT]);
  await new Promise((resolve) => stream.once("data", resolve));
  let read = 0;
  stream.on("data", () => read++);
  if (what === "capability") server.capabilities.clear();
  else server.revokeToken();
  server.watches.tell([STATEMENT]);
  expect(await ended).toMatchObject({ code: status.PERMISSION_DENIED });
  expect(read).toBe(0);
});

test("one plugin has no more than its share of the places", async () => {
  using server = await serving();
  const all = Array.from({ length: WATCHES_OF_ONE_MAX }, server.follow);
  await Promise.all(all.map(({ opened }) => opened));
  const { stream, ended } = server.follow();
  stream.resume();
  expect(await ended).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: `Plugin p has ${WATCHES_OF_ONE_MAX} watches already.`,
  });
});
