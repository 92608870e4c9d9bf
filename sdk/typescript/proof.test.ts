/** Who may call a plugin, once its host has said who it is; and what that says later. */
import { expect, test } from "bun:test";
import { Metadata, status } from "@grpc/grpc-js";
import { ExecuteJobRequest, HTTPRequest, InitializeRequest } from "../../proto/gen/protocol/domain.ts";
import { HostServiceService } from "../../proto/gen/qntx/v1/host.ts";
import { asked, Driver } from "./driver.ts";
import { servePlugin } from "./runtime.ts";
import { GrpcServer } from "./server.ts";

/** What a promise rejects with. Not `expect().rejects`: that waits in a loop of its own, which starves the server. */
const refusalOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test("a host that says its token is the only one that may call from then on", async () => {
  const said = (token: string) => {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${token}`);
    return metadata;
  };
  const plugin = await servePlugin(
    { name: "p", version: "1", http: { "GET /": () => new Response("in") } },
    { port: 0, print: () => {} },
  );
  await using driver = new Driver(plugin, []);
  const { domain, service } = driver;
  const initialize = (authToken: string, metadata?: Metadata) =>
    asked(
      domain,
      domain.initialize,
      InitializeRequest.fromPartial({ authToken, llmEndpoint: "127.0.0.1:1" }),
      metadata,
    );
  await initialize("of-the-host", said("of-the-host"));
  const get = HTTPRequest.fromPartial({ method: "GET", path: "/" });
  const http = (metadata?: Metadata) => asked(domain, domain.handleHttp, get, metadata);
  const refused = { status: "UNAUTHENTICATED", message: "Only the host of this plugin may call it." };
  for (const call of [
    () => http(),
    () => http(said("another")),
    () => asked(domain, domain.shutdown, {}),
    () => asked(service, service.cleanup, { reason: "" }),
    () => asked(domain, domain.executeJob, ExecuteJobRequest.fromPartial({ handlerName: "p.go" })),
    () => initialize("another", said("another")),
    () => initialize("of-the-host"),
  ])
    expect(await refusalOf(call())).toMatchObject(refused);
  const stream = Promise.withResolvers<number>();
  driver.service.jobs().on("error", (error) => stream.resolve("code" in error ? Number(error.code) : -1));
  expect(await stream.promise).toBe(status.UNAUTHENTICATED);

  expect((await asked(domain, domain.health, {})).healthy).toBe(true); // It may be asked before it knows its host.
  expect((await http(said("of-the-host"))).body.toString()).toBe("in");
  await initialize("of-the-host", said("of-the-host"));
});

test("a plugin that its host did not start calls the host that is there now", async () => {
  const heard: string[] = [];
  const host = () => {
    const server = new GrpcServer({ bytesMax: 1_000 });
    server.unary(HostServiceService.getContext, (_, call) => {
      heard.push(call.header("authorization"));
      return { plugin: "p", tenant: "", version: "", digest: "", capabilities: [], hostVersion: "" };
    });
    return server;
  };
  const [first, second] = [host(), host()];
  const at = async (server: GrpcServer, authToken: string) => ({
    queueEndpoint: `127.0.0.1:${await server.listen(0)}`,
    authToken,
  });
  await using driver = await Driver.start(
    { name: "p", version: "1", jobs: { ask: async ({ qntx }) => (await qntx.context()).plugin } },
    await at(first, "old"),
  );
  await driver.run("p.ask");
  first.close();
  await driver.initialize(await at(second, "new"));
  await driver.run("p.ask");
  second.close();
  expect(heard).toEqual(["Bearer old", "Bearer new"]);
});

test("what others provide is what the newest Initialize says", async () => {
  await using driver = await Driver.start(
    { name: "p", version: "1", jobs: { look: (job) => job.qntx.services.llm ?? "nobody" } },
    { authToken: "mine" },
  );
  const look = async () => (await driver.run("p.look")).result.toString();
  expect(await look()).toBe('"nobody"');
  await driver.initialize({ authToken: "mine", llmEndpoint: "127.0.0.1:7" });
  expect(await look()).toBe('{"address":"127.0.0.1:7","token":"mine"}');
  await driver.initialize({ authToken: "mine" });
  expect(await look()).toBe('"nobody"');
});
