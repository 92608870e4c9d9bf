/** What a schedule may run, by whom it is asked; and that what calls endpoints is written, found and paused as what runs handlers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { PluginEndpoint, Principal } from "../access/principal.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import { declareOfPlugin } from "./declare-plugin.ts";
import { Folder, OPERATOR, pluginPrincipal, refusal } from "./fixture.ts";
import type { Host } from "./operation.ts";
import { lostSchedules } from "./plugin-swap.ts";
import { callOperation } from "./run.ts";
import type { ScheduleView } from "./schedule-view.ts";

const endpoint = (name: string, schedulable = true): PluginEndpoint => {
  const [method = "", path = ""] = name.split(" ");
  return { method, path, handler: "f", description: "", schedulable };
};
const SYNC = endpoint("POST /sync");
const STATUS = endpoint("GET /status");
const PLUGIN = pluginPrincipal({ plugin: "demo", tenant: "acme", endpoints: [SYNC, STATUS] });

/** A host on which demo, of acme, runs with these. */
function hostWith(endpoints: readonly PluginEndpoint[]): Host {
  const status = { name: "demo", tenant: "acme", state: "ready", endpoints };
  const offered = endpoints.map(({ method, path }) => `acme@demo/${method} ${path}`);
  return {
    plugins: {
      statuses: () => [status as unknown as PluginStatus],
      offers: (lane: string) => (offered.includes(lane) ? { plugin: "demo", live: true } : null),
    },
    clock: { suspicion: null },
    schedulesChanged() {},
  } as unknown as Host;
}

let folder: Folder;
beforeEach(() => (folder = new Folder()));
afterEach(() => folder.store.close());

const ask = <T = ScheduleView>(
  verb: string,
  input: object,
  { principal = OPERATOR, host = null }: { principal?: Principal; host?: Host | null } = {},
) => callOperation(folder.context(principal, host), verb, input) as Promise<T>;
const create = (input: object, who?: Parameters<typeof ask>[2]) =>
  ask("schedule.create", { every: "1h", ...input }, who);

test("a plugin names its own endpoints, and they are those of the process that asks", async () => {
  expect(await create({ endpoint: "/sync" }, { principal: PLUGIN })).toMatchObject({
    endpoint: "acme@demo/POST /sync",
    handler: null,
  });
  const newer = pluginPrincipal({ plugin: "demo", tenant: "acme", endpoints: [STATUS] });
  const fault = await refusal(create({ endpoint: "/sync" }, { principal: newer, host: hostWith([SYNC]) }));
  expect(fault.message).toBe('endpoint: Plugin demo has no endpoint "/sync".');
  const other = await refusal(create({ endpoint: "other/POST /sync" }, { principal: PLUGIN }));
  expect(other.message).toBe('endpoint: "other/POST /sync" is not an endpoint.');
});

test("a plugin that may not answer requests is not called", async () => {
  const capabilities = new Set(["cap:scheduler.manage" as const]);
  const fault = await refusal(create({ endpoint: "/sync" }, { principal: { ...PLUGIN, capabilities } }));
  expect(fault.code).toBe("denied");
  expect(fault.hint).toBe("Grant it with: qntx plugin grant demo cap:http.serve");
});

test("a plugin is told its own endpoints, whatever it names", async () => {
  const who = { principal: PLUGIN, host: hostWith([endpoint("GET /other")]) };
  expect(await ask<object>("plugin.endpoints", { name: "other" }, who)).toEqual({
    endpoints: [STATUS, SYNC],
  });
  expect(await ask<object>("plugin.endpoints", { name: "demo" }, { host: who.host })).toEqual({
    endpoints: [endpoint("GET /other")],
  });
});

test("a person puts the plugin in front; its tenant is found", async () => {
  const host = hostWith([SYNC]);
  for (const text of ["demo/sync", "demo/POST /sync", "acme@demo/post /sync"])
    expect((await create({ endpoint: text }, { host })).endpoint).toBe("acme@demo/POST /sync");
  const refused = async (text: string) => (await refusal(create({ endpoint: text }, { host }))).message;
  expect(await refused("dmeo/sync")).toBe('endpoint: There is no plugin "dmeo".');
  expect(await refused("globex@demo/sync")).toBe('endpoint: There is no plugin "demo".');
  expect(await refused("POST /sync")).toBe('endpoint: "POST /sync" names no endpoint of a plugin.');
  expect(await refused("demo")).toBe('endpoint: "demo" names no endpoint of a plugin.');
});

test("without a host nobody can look, so it is written in full", async () => {
  const fault = await refusal(create({ endpoint: "demo/sync" }));
  expect(fault.message).toBe('endpoint: "demo/sync" says neither GET nor POST.');
  expect((await create({ endpoint: "acme@demo/POST /sync" })).endpoint).toBe("acme@demo/POST /sync");
});

test("it runs one of the two, of its own tenant, and a payload must have somewhere to go", async () => {
  const host = hostWith([SYNC, STATUS]);
  const fields = async (work: Promise<unknown>) => (await refusal(work)).fields.map(({ field }) => field);
  expect(await fields(create({}))).toEqual(["handler"]);
  expect(await fields(create({ endpoint: "demo/sync", handler: "a.b" }, { host }))).toEqual(["endpoint"]);
  expect(await fields(create({ endpoint: "demo/status", payload: 1 }, { host }))).toEqual(["payload"]);
  const { id } = await create({ endpoint: "demo/sync", payload: 1 }, { host });
  const update = (change: object) => ask("schedule.update", { id, ...change }, { host });
  expect(await fields(update({ endpoint: "demo/status" }))).toEqual(["payload"]);
  expect(await update({ handler: "acme@demo.work" })).toMatchObject({
    handler: "acme@demo.work",
    endpoint: null,
  });
  expect(await update({ endpoint: "demo/sync" })).toMatchObject({
    handler: null,
    endpoint: "acme@demo/POST /sync",
  });
  const { id: elsewhere } = await create({ handler: "globex@other.work" });
  const moved = ask("schedule.update", { id: elsewhere, endpoint: "demo/sync" }, { host });
  expect((await refusal(moved)).message).toBe(
    'endpoint: "demo/sync" is of another tenant than the schedule.',
  );
});

test("a document says it as a person does, and an export gives it back", async () => {
  const document =
    "schedules:\n  - name: sync\n    endpoint: acme@demo/POST /sync\n    every: 1h\n    payload: { a: 1 }\n";
  await ask("schedule.apply", { document });
  const { document: fields } = await ask<{ document: object }>("schedule.export", {});
  const exported = JSON.stringify(fields);
  expect(exported).toContain('"tenant":"acme","endpoint":"demo/POST /sync"');
  await using elsewhere = new Folder();
  await elsewhere.call("schedule.apply", { document: exported });
  expect(await elsewhere.call<ScheduleView>("schedule.show", { id: "sync" })).toMatchObject({
    endpoint: "acme@demo/POST /sync",
    payload: { a: 1 },
  });
  const wrong = document.replace("POST ", "");
  expect((await refusal(ask("schedule.apply", { document: wrong }))).message).toContain(
    "says neither GET nor POST",
  );
});

test("what an upgrade loses is listed by method and path, and what is gone is paused with a note", async () => {
  const host = hostWith([SYNC, STATUS]);
  const who = { principal: PLUGIN, host };
  await create({ endpoint: "/sync", name: "sync" }, who);
  await create({ endpoint: "/status", name: "status" }, who);
  const next = { name: "demo", tenant: "acme", handlers: [], endpoints: [{ ...SYNC, handler: "another" }] };
  const lost = await lostSchedules({ store: folder.store, host }, next);
  expect(lost.map(({ name }) => name)).toEqual(["status"]);
  await declareOfPlugin(folder.context(PLUGIN, host), "demo", { ...next, schedules: [], watchers: [] });
  const shown = (id: string) => ask("schedule.show", { id }, { principal: PLUGIN });
  expect((await shown("sync")).state).toBe("active");
  expect(await shown("status")).toMatchObject({ state: "paused", pause: { by: "host" } });
  expect((await shown("status")).pause?.note).toContain("plugin demo no longer has GET /status");
  const resume = (endpoints: PluginEndpoint[]) =>
    ask("schedule.resume", { id: "status" }, { principal: PLUGIN, host: hostWith(endpoints) });
  expect((await refusal(resume([SYNC]))).message).toContain(
    "calls GET /status, which plugin demo does not have",
  );
  expect(await resume([STATUS])).toMatchObject({ state: "active" });
});
