/** Secrets, as whoever asks meets them: one's own, and for all else the same answer. */
import { afterAll, expect, test } from "bun:test";
import { type Principal, principalName } from "../access/principal.ts";
import { Folder, OPERATOR, pluginPrincipal, refusal } from "./fixture.ts";
import type { Host } from "./operation.ts";
import { callOperation } from "./run.ts";

const SECRET = "hunter2-hunter2";
const secrets: Record<string, Record<string, string>> = { weather: { API_KEY: SECRET } };
const host = {
  secrets: {
    get: async ({ plugin, tenant }: { plugin: string; tenant: string }, name: string) =>
      tenant === "" ? (secrets[plugin]?.[name] ?? null) : null,
  },
} as unknown as Host;

const folder = new Folder();
afterAll(() => folder.store.close());

const get = (name: string, principal: Principal) =>
  callOperation(
    { ...folder.context(principal, host), redact: (text) => text.replaceAll(SECRET, "[it]") },
    "secret.get",
    { name },
  );

test("a plugin is told its own secret", async () => {
  expect(await get("API_KEY", pluginPrincipal({ plugin: "weather" }))).toEqual({ value: SECRET });
});

const ACME = pluginPrincipal({ plugin: "weather", tenant: "acme" });

test.each<[whose: string, principal: Principal, name: string, section: string]>([
  ["another's", pluginPrincipal({ plugin: "other" }), "API_KEY", "[secrets.other]"],
  ["nobody's", pluginPrincipal({ plugin: "weather" }), "API_KEYS", "[secrets.weather]"],
  ["that of the same name and no tenant", ACME, "API_KEY", '[secrets."acme/weather"]'],
  ["a plugin's, for the operator", OPERATOR, "API_KEY", "[secrets.NAME]"],
])(
  "%s is not found, in the same words, and plugins that asked are written down",
  async (_, principal, name, section) => {
    const { items: before } = await folder.store.audit.list({ limit: 10 });
    const { code, message, hint } = await refusal(get(name, principal));
    expect([code, message, hint]).toEqual([
      "not-found",
      `There is no secret "${name}" for this plugin.`,
      `Those that it may have are named under ${section} in qntx.toml.`,
    ]);
    const { items } = await folder.store.audit.list({ limit: 10 });
    expect(items.length - before.length).toBe(principal.kind === "plugin" ? 1 : 0);
    if (principal.kind !== "plugin") return;
    const asked = { principal: principalName(principal), operation: "secret.get", subject: name };
    expect(items[0]).toMatchObject({ ...asked, allowed: false });
  },
);

test("what a name holds is taken out of the trail", async () => {
  await refusal(get(SECRET, pluginPrincipal({ plugin: "weather" })));
  const { items } = await folder.store.audit.list({ limit: 1 });
  expect(JSON.stringify(items)).not.toContain(SECRET);
});
