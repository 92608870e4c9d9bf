/** Plugins as files: ours, QNTX's own kind, and what is wrong with the others. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HTTPRequest, InitializeRequest } from "../../proto/gen/protocol/domain.ts";
import { JobStart } from "../../proto/gen/qntx/v1/plugin.ts";
import { connectHost } from "./host.ts";
import { loadPlugin } from "./load.ts";
import type { LoadedPlugin } from "./loaded.ts";
import { createPluginLog } from "./log.ts";
import { RunningJob } from "./running.ts";

const room = mkdtempSync(join(tmpdir(), "qntx-load-"));
afterAll(() => rmSync(room, { recursive: true }));

let files = 0;

/** Writes a module of its own name (an import is remembered by its path) and answers where. */
async function write(source: string, path = `plugin-${++files}.ts`): Promise<string> {
  await Bun.write(join(room, path), source);
  return join(room, path);
}

const load = async (source: string) => loadPlugin(await write(source));
const refusalOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "",
    (error: Error) => error.message,
  );
const { host } = connectHost(
  { address: "", token: "", config: {} },
  { log: createPluginLog(() => {}), setJobs: async () => {} },
);

/** Runs one job of a loaded plugin and resolves with what it returned, or rejects. */
function run(plugin: LoadedPlugin, name: string, payload: unknown, said: string[] = []): Promise<unknown> {
  const handler = plugin.handlers.get(name)?.run;
  if (!handler) throw new Error(`no handler ${name}`);
  const start = JobStart.fromPartial({
    jobId: "j",
    handler: name,
    payload: Buffer.from(JSON.stringify(payload)),
    timeoutMs: 9_000,
  });
  const voice = {
    log: (_: RunningJob, level: string, message: string) => void said.push(`${level} ${message}`),
    progress: (_: RunningJob, current: number, total: number) => void said.push(`${current}/${total}`),
    checkpoint() {},
    beat() {},
  };
  return new Promise((resolve, reject) => new RunningJob(start, host, voice).run(handler, resolve, reject));
}

async function get(plugin: LoadedPlugin, path: string, method = "GET") {
  const request = HTTPRequest.fromPartial({ method, path, body: Buffer.from('{"a":1}') });
  const { statusCode, headers, body } = await plugin.answer(request, host);
  return [statusCode, headers.map(({ name, values }) => `${name}: ${values}`), body.toString()];
}

describe("a plugin of ours", () => {
  test("imports qntx without anything installed, and other files beside it", async () => {
    await write("export const double = (n: number): number => n * 2;", "double.ts");
    const plugin = await load(`
      import { definePlugin, PermanentError, type Job } from "qntx";
      import { double } from "./double.ts";
      export default definePlugin({
        name: "mine", version: "0.1.0",
        jobs: { double: (job: Job) => { if (job.payload < 0) throw new PermanentError("no"); return double(job.payload); } },
      });`);
    expect(plugin.metadata).toMatchObject({ name: "mine", version: "0.1.0" });
    expect(await run(plugin, "mine.double", 21)).toBe(42);
    expect(await refusalOf(run(plugin, "mine.double", -1))).toBe("no");
  });

  test("may be the example", async () => {
    const plugin = await loadPlugin(join(import.meta.dir, "examples", "hello.ts"));
    const said: string[] = [];
    expect(await run(plugin, "hello.greet", { who: "you" }, said)).toEqual({ greeting: "Hello, you!" });
    expect(said).toEqual(["info greeting you", "1/1"]);
  });

  test("may be a folder that says so", async () => {
    await write('{ "qntx-plugin": true }', "folder/package.json");
    await write('export default { name: "in-folder", version: "1" };', "folder/plugin.ts");
    expect((await loadPlugin(join(room, "folder"))).metadata.name).toBe("in-folder");
  });

  test("may bring packages beside it", async () => {
    await write(
      '{ "name": "beside", "version": "1.0.0", "main": "index.js" }',
      "node_modules/beside/package.json",
    );
    await write("exports.word = 'found';", "node_modules/beside/index.js");
    const plugin = await load('import { word } from "beside"; export default { name: word, version: "1" };');
    expect(plugin.metadata.name).toBe("found");
  });
});

describe("what is wrong is said, with the file", () => {
  const good = 'name: "p", version: "1"';
  const rows: [string, string, RegExp][] = [
    ["no export", "export const a = 1;", /plugin-\d+\.ts has no name\. Add: export default definePlugin/],
    ["a function", "export default () => 1;", /has no plugin as its default export/],
    ["no name", 'export default { version: "1" };', /has no name/],
    [
      "a bad name",
      'export default { name: "My Plugin", version: "1" };',
      /"My Plugin" is not a plugin's name/,
    ],
    ["no version", 'export default { name: "p" };', /Plugin p has no version/],
    [
      "a misspelt field",
      `export default { ${good}, job: {} };`,
      /A plugin has no field job\. It has name, version/,
    ],
    [
      "a handler that is none",
      `export default { ${good}, jobs: { go: 1 } };`,
      /Handler p\.go of plugin p is not a function/,
    ],
    [
      "a handler's bad name",
      `export default { ${good}, jobs: { "a b": () => 1 } };`,
      /"a b" is not a handler's name/,
    ],
    ["two of a name", `export default { ${good}, jobs: { go() {}, "p.go"() {} } };`, /two handlers p\.go/],
    [
      "a bad option",
      `export default { ${good}, jobs: { go: { run() {}, timeoutMs: 0.5 } } };`,
      /timeoutMs of handler p\.go is 0\.5/,
    ],
    [
      "an option that is too great",
      `export default { ${good}, jobs: { go: { run() {}, maxAttempts: 1e12 } } };`,
      /maxAttempts of handler p\.go is 1000000000000; .* at most 2147483647/,
    ],
    [
      "a misspelt option",
      `export default { ${good}, jobs: { go: { run() {}, timeout: 5 } } };`,
      /The handler p\.go of plugin p has no field timeout\. It has run, timeoutMs, /,
    ],
    [
      "half a job at once",
      `export default { ${good}, concurrency: 0.5 };`,
      /The concurrency of plugin p is 0\.5/,
    ],
    [
      "a misspelt option of a route",
      `export default { ${good}, http: { "GET /x": { run() {}, schedulabe: false } } };`,
      /The route "GET \/x" of plugin p has no field schedulabe\. It has run, schedulable, /,
    ],
    ["a bad route", `export default { ${good}, http: { "/x": () => 1 } };`, /Route "\/x" of plugin p/],
    ["a bad priority", `export default { ${good}, priority: 0.5 };`, /The priority of plugin p is 0\.5/],
    ["a syntax error", "export default {;", /cannot be loaded: line 1/],
    ["an error while loading", 'throw new Error("too early");', /cannot be loaded: too early/],
    ["a file that is not there", 'import "./nope.ts"; export default {};', /cannot be loaded: .*nope\.ts/],
    [
      "a foreign list of names",
      'export default { name: "p", handler_names: [1] };',
      /handler_names of plugin p is not a list of text/,
    ],
  ];
  test.each(rows)("%s", async (_, source, message) => {
    expect(await refusalOf(load(source))).toMatch(message);
  });

  test("folders", async () => {
    expect(await refusalOf(loadPlugin(join(room, "gone.ts")))).toBe(`There is no plugin at ${room}/gone.ts.`);
    await write("{}", "bare/package.json");
    expect(await refusalOf(loadPlugin(join(room, "bare")))).toMatch(
      /is no plugin: it has no package\.json with "qntx-plugin": true/,
    );
    await write('{ "qntx-plugin": true }', "empty/package.json");
    expect(await refusalOf(loadPlugin(join(room, "empty")))).toMatch(
      /is marked as a plugin but has no plugin\.ts/,
    );
  });
});

test("a package that is missing is an error and is not fetched", async () => {
  const file = await write('import pad from "left-pad"; export default { name: pad("p", 1), version: "1" };');
  const code = `const { loadPlugin } = await import(${JSON.stringify(join(import.meta.dir, "load.ts"))}); await loadPlugin(${JSON.stringify(file)}).catch((error) => console.log(error.message));`;
  const child = Bun.spawn([process.execPath, "--no-install", "-e", code], { env: { HOME: room }, cwd: room });
  expect(await child.stdout.text()).toMatch(/Cannot find package 'left-pad'.*Packages are not fetched/);
});

describe("a module of QNTX's own runtime", () => {
  const source = `
    let token = "";
    export default {
      name: "old", version: "2.0.0", qntx_version: ">= 0.1.0", description: "d", author: "a", license: "MIT",
      handler_names: ["poll"],
      schedules: [{ handler_name: "poll", interval_seconds: 60, enabled_by_default: true, description: "often" }],
      async init(request) { token = request.auth_token + request.config.key + request.ats_store_endpoint; },
      registerHTTP(mux) {
        mux.handle("get", "/token", (request, response) => response.status(201).json({ token, path: request.path }));
        mux.handle("/short", (request, response) => { response.setHeader("X-A", "1"); response.send("short"); });
        mux.handle("GET", "/api/old/whole", (request, response) => response.text("whole"));
        mux.handle("POST", "/echo", async (request, response) => response.text(JSON.stringify(await request.json())));
      },
      registerGlyphs() { return [{ symbol: "*", title: "T", content_path: "/c", default_width: 10 }]; },
      executeJob(request) {
        if (request.json().fail) return { success: false, error: "asked to" };
        if (request.json().plain) return { plain: true };
        return { success: true, result: { id: request.job_id, of: request.handler_name, secs: request.timeout_secs },
                 progress_current: 1, progress_total: 2, log_entries: [{ level: "warn", message: "hm" }] };
      },
    };`;

  test("is served as it is", async () => {
    const plugin = await load(source);
    expect(plugin.metadata).toMatchObject({
      name: "old",
      version: "2.0.0",
      qntxVersion: ">= 0.1.0",
      license: "MIT",
    });
    expect(plugin.scheduleInfos).toMatchObject([
      { handlerName: "poll", intervalSeconds: 60, enabledByDefault: true },
    ]);
    expect(await plugin.glyphs()).toMatchObject([
      { symbol: "*", title: "T", contentPath: "/c", defaultWidth: 10 },
    ]);
    expect([...plugin.handlers.keys()]).toEqual(["poll"]);
  });

  test("is started with the names of the wire, and answers its routes", async () => {
    const plugin = await load(source);
    const request = { authToken: "t", config: { key: "k" }, atsStoreEndpoint: "e" };
    await plugin.start(host, InitializeRequest.fromPartial(request));
    expect(await get(plugin, "/token?x=1")).toEqual([
      201,
      ["Content-Type: application/json"],
      '{"token":"tke","path":"/token?x=1"}',
    ]);
    expect(await get(plugin, "/short")).toEqual([200, ["X-A: 1"], "short"]);
    expect(await get(plugin, "/whole")).toEqual([200, ["Content-Type: text/plain"], "whole"]);
    expect(await get(plugin, "/echo", "POST")).toEqual([200, ["Content-Type: text/plain"], '{"a":1}']);
    expect(await get(plugin, "/nope")).toEqual([
      404,
      ["Content-Type: application/json"],
      '{"error":"Not found"}',
    ]);
  });

  test("runs jobs by executeJob", async () => {
    const plugin = await load(source);
    const said: string[] = [];
    expect(await run(plugin, "poll", {}, said)).toEqual({ id: "j", of: "poll", secs: 9 });
    expect(said).toEqual(["warn hm", "1/2"]);
    expect(await run(plugin, "poll", { plain: true })).toEqual({ plain: true });
    expect(await refusalOf(run(plugin, "poll", { fail: true }))).toBe("asked to");
  });

  test("without executeJob says so when a job comes", async () => {
    const plugin = await load('export default { name: "old", handler_names: ["poll"] };');
    expect(await refusalOf(run(plugin, "poll", {}))).toBe(
      "Plugin old announces poll but exports no executeJob to run it.",
    );
  });
});
