import { expect, test } from "bun:test";
import type { Capability } from "../access/capability.ts";
import { Harness, writeOdd } from "./testdata/harness.ts";
import type { Session } from "./session.ts";
import { type Provided, Providers } from "./providers.ts";

const ready = (token: string) => ({ token }) as Session;

function providers(known: Provided[], lacks: Record<string, Capability> = {}) {
  const plugins = [
    { name: "own", tenant: "", session: ready("own") },
    { name: "acme-1", tenant: "acme", session: null },
    { name: "acme-2", tenant: "acme", session: ready("acme-2") },
    { name: "globex", tenant: "globex", session: ready("globex") },
  ];
  const said: Provided[] = [];
  const capabilitiesOf = (plugin: string) =>
    new Set(
      (["cap:services.use", "cap:services.provide"] as const).filter(
        (capability) => lacks[plugin] !== capability,
      ),
    );
  return {
    said,
    of: new Providers({ plugins: () => plugins, capabilitiesOf, known, onSaid: (one) => said.push(one) }),
  };
}

const LLM = ["own", "acme-1", "acme-2", "globex"].map((plugin): Provided => ({ plugin, services: ["llm"] }));

test.each<[tenant: string, wanted: string, given: string]>([
  ["", "", "own"],
  ["", "globex", "own"], // Another tenant's is nobody's choice.
  ["acme", "", "acme-2"],
  ["acme", "own", "own"],
  ["initech", "", "own"],
])("a plugin of tenant %j that wants %j is led to %s", (tenant, wanted, given) => {
  const { token } = providers(LLM).of.provider("llm", { plugin: "caller", tenant }, wanted);
  expect(token).toBe(given);
});

test("who may not provide is not asked, who may not call is refused, and nobody calls itself", () => {
  const caller = { plugin: "caller", tenant: "globex" };
  const call = (lacks: Record<string, Capability>, who = caller) =>
    providers(LLM, lacks).of.provider("llm", who, "");
  expect(call({ globex: "cap:services.provide" }).token).toBe("own");
  expect(() => call({ caller: "cap:services.use" })).toThrow("Plugin caller lacks cap:services.use");
  expect(call({}, { plugin: "globex", tenant: "globex" }).token).toBe("own");
  expect(providers(LLM, { caller: "cap:services.use" }).of.servicesFor(caller)).toEqual([]);
});

test("what a plugin provides is what it said last, and is said on when it is something else", () => {
  const { of, said } = providers([{ plugin: "own", services: ["search"] }]);
  const caller = { plugin: "caller", tenant: "" };
  expect(of.servicesFor(caller)).toEqual(["search"]);
  expect(() => of.provider("llm", caller, "")).toThrow("No plugin provides it.");
  expect(of.said({ plugin: "own", services: ["search"] })).toBe(false);
  expect(of.said({ plugin: "own", services: ["llm", "search"] })).toBe(true);
  expect(said).toEqual([{ plugin: "own", services: ["llm", "search"] }]);
  expect(of.servicesFor(caller)).toEqual(["llm", "search"]);
});

test("a plugin that cannot be told of a new service says so, and the host goes on", async () => {
  await using host = new Harness({
    enabled: ["odd", "giver"],
    write(folder) {
      writeOdd(folder, "odd", "plain");
      writeOdd(folder, "giver", "gives");
    },
    openServices: () => Promise.reject(new Error("no port is free")),
  });
  await host.plugins.settled;
  const said = "It was told of other services, and failed: no port is free";
  await host.until(() => host.logged.some((line) => line.includes(said)), said);
  expect(await host.attempt("odd/odd.do", "x").outcome).toMatchObject({ kind: "completed" });
});

test("a door that opens for a plugin which has ended meanwhile is closed again", async () => {
  const asked = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  await using host = new Harness({
    enabled: ["odd", "giver"],
    write(folder) {
      writeOdd(folder, "odd", "plain");
      writeOdd(folder, "giver", "gives");
    },
    async openServices() {
      asked.resolve();
      await opened.promise;
      return { address: "127.0.0.1:9", close: () => closed.resolve() };
    },
  });
  await asked.promise;
  await host.plugins.stop("odd");
  opened.resolve();
  await closed.promise;
});
