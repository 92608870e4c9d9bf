import { expect, test } from "bun:test";
import type { Capability } from "../access/capability.ts";
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
