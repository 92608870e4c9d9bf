/**
 * LoadedPlugin: what the runtime serves, whichever way the plugin was written.
 * `definePlugin` definitions become one here; modules written for QNTX's own
 * TypeScript runtime become one in `foreign.ts`.
 */
import type {
  GlyphDef,
  HTTPRequest,
  HTTPResponse,
  InitializeRequest,
  MetadataResponse,
  ScheduleInfo,
} from "../../proto/gen/protocol/domain.ts";
import type { DeclaredSchedule, Endpoint, HandlerOptions } from "../../proto/gen/qntx/v1/plugin.ts";
import { toBytes } from "./codec.ts";
import { createRouter } from "./http.ts";
import { checkedName, handlerName, PluginError } from "./names.ts";
import type { Host, JobHandler, JobOptions, PluginDefinition } from "./qntx.ts";

/** A handler as it is announced and called. */
export interface Handler {
  run: JobHandler;
  options: HandlerOptions;
}

/** By announced name, like `hello.greet`. */
export type Handlers = ReadonlyMap<string, Handler>;

export interface LoadedPlugin {
  readonly metadata: MetadataResponse;
  readonly capabilities: string[];
  /** Jobs at once; 0 means the host's default. */
  readonly concurrency: number;
  readonly schedules: DeclaredSchedule[];
  /** Schedules in QNTX's own form, answered by Initialize. */
  readonly scheduleInfos: ScheduleInfo[];
  readonly endpoints: Endpoint[];
  readonly handlers: Handlers;
  start(host: Host, request: InitializeRequest): Promise<void>;
  stop(host: Host): Promise<void>;
  answer(request: HTTPRequest, host: Host): Promise<HTTPResponse>;
  glyphs(): Promise<GlyphDef[]>;
}

const MISSED = ["skip", "latest", "earliest", "all"];
const LOCKING = ["node-local", "require-global", "prefer-global"];

/** Checks a definition and makes it servable. Throws a PluginError that names the field. */
export function fromDefinition(definition: PluginDefinition): LoadedPlugin {
  const name = checkedName(definition.name);
  if (typeof definition.version !== "string" || definition.version === "") {
    throw new PluginError(`Plugin ${name} has no version. Add one, like version: "0.1.0".`);
  }
  const router = createRouter(name, definition.http ?? {});
  return {
    metadata: {
      name,
      version: definition.version,
      qntxVersion: "",
      description: definition.description ?? "",
      author: definition.author ?? "",
      license: definition.license ?? "",
    },
    capabilities: definition.capabilities ?? [],
    concurrency: definition.concurrency ?? 0,
    schedules: (definition.schedules ?? []).map((schedule) => readSchedule(name, schedule)),
    scheduleInfos: [],
    endpoints: router.endpoints,
    handlers: readHandlers(name, definition.jobs ?? {}),
    start: async (host) => definition.start?.(host),
    stop: async (host) => definition.stop?.(host),
    answer: router.answer,
    glyphs: async () => [],
  };
}

/** Reads a plugin's `jobs`. Throws a PluginError that names the handler. */
export function readHandlers(plugin: string, jobs: Record<string, JobHandler | JobOptions>): Handlers {
  const handlers = new Map<string, Handler>();
  for (const [key, job] of Object.entries(jobs)) {
    const name = handlerName(plugin, key);
    const options = typeof job === "function" ? { run: job } : job;
    if (typeof options?.run !== "function") {
      throw new PluginError(
        `Handler ${name} of plugin ${plugin} is not a function, nor has it a run function.`,
      );
    }
    if (handlers.has(name)) throw new PluginError(`Plugin ${plugin} has two handlers ${name}.`);
    handlers.set(name, { run: options.run, options: readOptions(name, options) });
  }
  return handlers;
}

function readOptions(name: string, options: JobOptions): HandlerOptions {
  return {
    name,
    timeoutMs: wholeOption(name, "timeoutMs", options.timeoutMs),
    maxAttempts: wholeOption(name, "maxAttempts", options.maxAttempts),
    concurrency: wholeOption(name, "concurrency", options.concurrency),
    description: options.description ?? "",
  };
}

function wholeOption(handler: string, option: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new PluginError(`${option} of handler ${handler} is ${value}; it must be a whole number above 0.`);
}

function readSchedule(
  plugin: string,
  schedule: NonNullable<PluginDefinition["schedules"]>[number],
): DeclaredSchedule {
  const { id, handler, when } = schedule;
  if (!id) throw new PluginError(`A schedule of plugin ${plugin} has no id.`);
  if (!handler) throw new PluginError(`Schedule ${id} of plugin ${plugin} has no handler.`);
  if (!when)
    throw new PluginError(`Schedule ${id} of plugin ${plugin} has no when. Add one, like when: "5m".`);
  oneOf(`missed of schedule ${id}`, schedule.missed, MISSED);
  oneOf(`locking of schedule ${id}`, schedule.locking, LOCKING);
  return {
    id,
    handler: handlerName(plugin, handler),
    when,
    description: schedule.description ?? "",
    timezone: schedule.timezone ?? "",
    jitterMs: Math.round(schedule.jitterMs ?? 0),
    missed: schedule.missed ?? "",
    locking: schedule.locking ?? "",
    payload: toBytes(schedule.payload),
    paused: schedule.paused ?? false,
  };
}

function oneOf(what: string, value: string | undefined, words: readonly string[]): void {
  if (value === undefined || words.includes(value)) return;
  throw new PluginError(`${what} is ${JSON.stringify(value)}; it must be one of ${words.join(", ")}.`);
}
