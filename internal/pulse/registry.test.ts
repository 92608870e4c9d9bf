/** Steps of registration, and who keeps a name. */
import { expect, test } from "bun:test";
import type { Attempt, Executor, Registration } from "./executor.ts";
import { Registry } from "./registry.ts";

const executor = (plugin: string): Executor => ({
  plugin,
  version: "1",
  concurrency: 1,
  execute: async () => ({ kind: "disowned" }),
  replace() {},
});
const offer = (plugin: string, ...names: string[]): Registration => ({
  executor: executor(plugin),
  handlers: names.map((name) => ({
    name,
    timeoutMs: null,
    maxAttempts: null,
    concurrency: null,
    description: "",
  })),
});
const keeper = (registry: Registry, lane: string) => registry.lane(lane)?.executor.plugin;

test("a step becomes visible as a whole", () => {
  const registry = new Registry();
  expect(registry.register([offer("a", "a.one", "a.two"), offer("b", "b.one")])).toEqual([]);
  expect(["a.one", "a.two", "b.one", "c.one"].map((name) => keeper(registry, name))).toEqual([
    "a",
    "a",
    "b",
    undefined,
  ]);
});

test("two newcomers want one name: the first in the order keeps it, and the other is reachable by its own", () => {
  const registry = new Registry();
  const conflicts = registry.register([offer("a", "report"), offer("b", "report", "b.only")]);
  expect(conflicts).toEqual([{ handler: "report", keeper: "a", loser: "b" }]);
  expect(["report", "a/report", "b/report", "b.only"].map((name) => keeper(registry, name))).toEqual([
    "a",
    "a",
    "b",
    "b",
  ]);
  expect(registry.handlersOf("b")).toEqual(["b.only"]);
});

test("a name stays with its keeper, also when it announces again after somebody else wanted it", () => {
  const registry = new Registry();
  registry.register([offer("late", "report")]);
  registry.register([offer("early", "report")]);
  registry.register([offer("late", "report", "more")]);
  expect(keeper(registry, "report")).toBe("late");
});

test("while its keeper is down a name waits for it; when the keeper is forgotten it passes on", () => {
  const registry = new Registry();
  registry.register([offer("a", "report"), offer("b", "report")]);
  registry.unregister("a");
  expect(keeper(registry, "report")).toBeUndefined();
  expect(registry.keeper("report")).toBe("a");
  expect(keeper(registry, "b/report")).toBe("b");
  registry.register([offer("a", "report")]);
  expect(keeper(registry, "report")).toBe("a");
  expect(registry.forget("a")).toEqual([]);
  expect(keeper(registry, "report")).toBe("b");
  expect(registry.lane("a/report")).toBeUndefined();
});

test("a name that its keeper gives up passes in the same step to a plugin that announced it too", () => {
  const registry = new Registry();
  registry.register([offer("a", "report"), offer("b", "report")]);
  expect(registry.register([offer("a", "other")])).toEqual([]);
  expect(keeper(registry, "report")).toBe("b");
  expect(registry.handlersOf("b")).toEqual(["report"]);
});

test("a handler that is no longer announced is gone", () => {
  const registry = new Registry();
  registry.register([offer("a", "x", "y")]);
  registry.register([offer("a", "y")]);
  expect([...registry.lanes()].map(({ name }) => name).sort()).toEqual(["a/y", "y"]);
});

test("one plugin that announces a name twice has it once", () => {
  const registry = new Registry();
  expect(registry.register([offer("a", "x", "x")])).toEqual([]);
  expect(registry.handlersOf("a")).toContain("x");
});

test("a handler that its plugin disowns is nobody's until it is announced again", () => {
  const registry = new Registry();
  const offered = offer("a", "report", "other");
  registry.register([offered]);
  const lane = registry.lane("a/report");
  if (!lane) throw new Error("it was just registered");
  registry.disown(lane);
  expect(["report", "a/report", "other"].map((name) => keeper(registry, name))).toEqual([
    undefined,
    undefined,
    "a",
  ]);
  expect(registry.keeper("report")).toBeUndefined();
  const restarted = offer("a", "report", "other");
  registry.register([restarted]);
  registry.disown(lane); // Said by the process before this one.
  expect(keeper(registry, "report")).toBe("a");
});

test("what the configuration says of a handler counts, however it is called, and changes are told at once", () => {
  const told: string[] = [];
  const registry = new Registry({
    configured: [{ name: "a.one", concurrency: 3 }],
    onChange: (lanes) => told.push([...lanes].map(({ name }) => name).join(" ")),
  });
  registry.register([offer("a", "a.one", "a.two")]);
  const limits = ["a.one", "a/a.one", "a.two"].map((lane) => registry.lane(lane)?.options.concurrency);
  expect(limits).toEqual([3, 3, null]);
  expect(told).toEqual(["a/a.one a.one a/a.two a.two"]);
});

test("endpoints are reachable by their plugin alone, and two plugins may have the same", async () => {
  const endpoint = (path: string, schedulable: boolean) => {
    return { method: "POST", path, handler: "", description: "", schedulable };
  };
  const registry = new Registry();
  const endpoints = [endpoint("/sync", true), endpoint("/page", false)];
  const step = ["a", "b"].map((plugin) => ({ ...offer(plugin, `${plugin}.x`), endpoints }));
  expect(registry.register(step)).toEqual([]);
  expect(["a/POST /sync", "b/POST /sync"].map((lane) => keeper(registry, lane))).toEqual(["a", "b"]);
  expect(registry.lane("a/POST /sync")?.options.name).toBe("POST /sync");
  expect(keeper(registry, "POST /sync")).toBeUndefined();
  const page = { job: { handler: "POST /page" } } as unknown as Attempt;
  expect(await registry.lane("a/POST /page")?.executor.execute(page)).toMatchObject({
    kind: "failed",
    message: "Plugin a has no POST /page as an endpoint that schedules may call.",
  });
  const lane = registry.lane("a/a.x");
  if (lane) registry.disown(lane);
  expect(["a/a.x", "a/POST /sync"].map((name) => keeper(registry, name))).toEqual([undefined, "a"]);
  registry.unregister("a");
  expect(keeper(registry, "a/POST /sync")).toBeUndefined();
});

test("jobs for an endpoint that its plugin no longer has fail for good; those of one that is down wait", async () => {
  const registry = new Registry();
  const endpoint = { method: "POST", path: "/sync", schedulable: true, description: "", handler: "" };
  const offered = (tenant: string, ...endpoints: (typeof endpoint)[]) => ({
    executor: { ...executor("demo"), tenant },
    handlers: [],
    endpoints,
  });
  const lane = "acme@demo/POST /sync";
  const ends = async () =>
    registry.lane(lane)?.executor.execute({ job: { handler: "POST /sync" } } as unknown as Attempt);
  expect(await ends()).toBeUndefined(); // It is down.
  registry.register([offered("acme", endpoint)]);
  expect(await ends()).toEqual({ kind: "disowned" });
  registry.register([offered("acme")]);
  const message = "Plugin demo has no POST /sync as an endpoint that schedules may call.";
  expect(await ends()).toMatchObject({ kind: "failed", permanent: true, message });
  registry.register([offered("acme", endpoint)]);
  expect(await ends()).toEqual({ kind: "disowned" });
  registry.register([offered("globex")]); // Another tenant's, under the name.
  expect(await ends()).toBeUndefined();
  registry.unregister("demo");
  expect(await ends()).toBeUndefined();
});
