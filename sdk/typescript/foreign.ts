/**
 * Foreign: modules written for QNTX's own TypeScript runtime, unmodified, made
 * into something that ours can serve. One thing is added to their contract:
 * `executeJob(request)`, because without it such a module cannot run a job.
 *
 * Names are QNTX's (snake_case, as on the wire). `this` is kept: some modules
 * export an instance of a class.
 */
import type {
  GlyphDef,
  HTTPHeader,
  HTTPRequest,
  HTTPResponse,
  InitializeRequest,
  ScheduleInfo,
} from "../../proto/gen/protocol/domain.ts";
import { fromBytes, toBytes } from "./codec.ts";
import { pathOf } from "./http.ts";
import type { Handler, LoadedPlugin } from "./loaded.ts";
import { checkedName, PluginError } from "./names.ts";
import { type Job, type Json, PermanentError } from "./qntx.ts";

/** What only a module of QNTX's runtime has: one of these, and it is one. */
export const FOREIGN_KEYS = [
  "handler_names",
  "qntx_version",
  "init",
  "shutdown",
  "registerHTTP",
  "registerGlyphs",
  "executeJob",
] as const;

/** What a module's `executeJob` is given: QNTX's request, and our job beside it. */
export interface ForeignJobRequest {
  job_id: string;
  handler_name: string;
  payload: Uint8Array;
  timeout_secs: number;
  json(): Json;
  job: Job;
}

type Thing = Record<string, unknown>;

/** Makes a module of QNTX's runtime servable. Throws a PluginError that names what is wrong. */
export function fromForeign(module: object): LoadedPlugin {
  const name = checkedName(get(module, "name"));
  const names = get(module, "handler_names") ?? [];
  if (!isStrings(names)) throw new PluginError(`handler_names of plugin ${name} is not a list of text.`);
  return {
    metadata: {
      name,
      version: text(module, "version") || "1.0.0",
      qntxVersion: text(module, "qntx_version"),
      description: text(module, "description"),
      author: text(module, "author"),
      license: text(module, "license"),
    },
    capabilities: [],
    concurrency: 0,
    priority: 0,
    schedules: async () => [],
    scheduleInfos: things(module, "schedules").map(readSchedule),
    endpoints: [],
    watchers: [],
    handlers: new Map(names.map((handler) => [handler, readHandler(module, name, handler)])),
    start: async (_host, request) => void (await call(module, "init", wireRequest(request))),
    stop: async () => void (await call(module, "shutdown")),
    cleanup: async () => {}, // Such a module knows its shutdown alone.
    answer: (request) => answer(module, request),
    configFields: {},
    glyphs: async () => listOf(await call(module, "registerGlyphs")).map(readGlyph),
  };
}

/** Such a module has no words for it. */
const NOTHING_SAID = {
  timeoutMs: 0,
  maxAttempts: 0,
  concurrency: 0,
  concurrencyPerKey: 0,
  rate: "",
  burst: 0,
  description: "",
  retry: "",
};

function readHandler(module: object, plugin: string, handler: string): Handler {
  const options = { ...NOTHING_SAID, name: handler };
  const run = async (job: Job) => {
    if (typeof get(module, "executeJob") !== "function") {
      throw new PermanentError(`Plugin ${plugin} announces ${handler} but exports no executeJob to run it.`);
    }
    return readJobAnswer(job, await call(module, "executeJob", jobRequest(job)));
  };
  return { run, options };
}

function jobRequest(job: Job): ForeignJobRequest {
  return {
    job_id: job.id,
    handler_name: job.handler,
    payload: job.bytes,
    timeout_secs: Math.round(job.timeoutMs / 1_000),
    json: () => fromBytes(job.bytes),
    job,
  };
}

/** An answer with `success` is QNTX's ExecuteJobResponse; anything else is the result itself. */
function readJobAnswer(job: Job, answered: unknown): unknown {
  if (!isThing(answered) || typeof answered["success"] !== "boolean") return answered;
  for (const entry of things(answered, "log_entries")) {
    const level = text(entry, "level");
    const known = level === "debug" || level === "warn" || level === "error" ? level : "info";
    job.log[known](text(entry, "message"));
  }
  if (number(answered, "progress_total") > 0) {
    job.progress(number(answered, "progress_current"), number(answered, "progress_total"));
  }
  job.cost(number(answered, "cost_actual"));
  if (!answered["success"]) throw new Error(text(answered, "error") || "The plugin said that it failed.");
  return answered["result"];
}

/** Initialize as QNTX's runtime hands it over. */
function wireRequest(request: InitializeRequest): Thing {
  const names = Object.entries(request).map(([key, value]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(names);
}

type ForeignRoute = (request: unknown, response: unknown) => unknown;

/** Routes are registered anew for every request, as QNTX's runtime does it. */
async function answer(module: object, request: HTTPRequest): Promise<HTTPResponse> {
  const routes = new Map<string, ForeignRoute>();
  await call(module, "registerHTTP", {
    handle(method: string, path: string | ForeignRoute, route: ForeignRoute | undefined) {
      if (typeof path === "function")
        routes.set(`GET ${method}`, path); // handle(path, route)
      else if (route) routes.set(`${method.toUpperCase()} ${path}`, route);
    },
  });
  const path = pathOf(request.path);
  // QNTX asks again with the whole path where the short one is not known, so some modules register that.
  const route =
    routes.get(`${request.method} ${path}`) ??
    routes.get(`${request.method} /api/${String(get(module, "name"))}${path}`);
  const response = new ForeignResponse();
  if (route) await route({ ...request, json: async () => JSON.parse(request.body.toString()) }, response);
  else response.status(404).json({ error: "Not found" });
  return response.wire();
}

/** What a route answers with. Methods are own properties, so that they can be taken apart. */
class ForeignResponse {
  #status = 200;
  #body: Buffer = Buffer.alloc(0);
  readonly #headers = new Map<string, HTTPHeader>();

  status = (code: number): this => {
    this.#status = code;
    return this;
  };
  setHeader = (name: string, value: string): this => {
    this.#headers.set(name.toLowerCase(), { name, values: [String(value)] });
    return this;
  };
  send = (data: unknown): void => {
    this.#body = data instanceof Uint8Array ? toBytes(data) : Buffer.from(String(data));
  };
  text = (data: string): void => {
    this.#typed("text/plain", Buffer.from(String(data)));
  };
  json = (data: unknown): void => {
    this.#typed("application/json", Buffer.from(JSON.stringify(data) ?? "null"));
  };

  wire(): HTTPResponse {
    return { statusCode: this.#status, headers: [...this.#headers.values()], body: this.#body };
  }

  #typed(type: string, body: Buffer): void {
    if (!this.#headers.has("content-type")) this.setHeader("Content-Type", type);
    this.#body = body;
  }
}

function readSchedule(schedule: Thing): ScheduleInfo {
  return {
    handlerName: text(schedule, "handler_name"),
    intervalSeconds: Math.trunc(number(schedule, "interval_seconds")),
    enabledByDefault: schedule["enabled_by_default"] === true,
    description: text(schedule, "description"),
    atsCode: text(schedule, "ats_code"),
  };
}

function readGlyph(glyph: Thing): GlyphDef {
  return {
    symbol: text(glyph, "symbol"),
    title: text(glyph, "title"),
    label: text(glyph, "label"),
    contentPath: text(glyph, "content_path"),
    cssPath: text(glyph, "css_path"),
    modulePath: text(glyph, "module_path"),
    defaultWidth: Math.trunc(number(glyph, "default_width")),
    defaultHeight: Math.trunc(number(glyph, "default_height")),
  };
}

function call(module: object, key: string, ...args: unknown[]): unknown {
  const method = get(module, key);
  return typeof method === "function" ? method.apply(module, args) : undefined;
}

function get(thing: object, key: string): unknown {
  return Reflect.get(thing, key);
}

function text(thing: object, key: string): string {
  const value = get(thing, key);
  return typeof value === "string" ? value : "";
}

function number(thing: object, key: string): number {
  const value = Number(get(thing, key) ?? 0);
  return Number.isFinite(value) ? value : 0;
}

function things(thing: object, key: string): Thing[] {
  return listOf(get(thing, key));
}

function listOf(value: unknown): Thing[] {
  return Array.isArray(value) ? value.filter(isThing) : [];
}

function isThing(value: unknown): value is Thing {
  return typeof value === "object" && value !== null;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string" && item !== "");
}
