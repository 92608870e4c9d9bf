/**
 * LoadedPlugin: what the runtime serves, whichever way the plugin was written.
 * `definePlugin` definitions become one here; modules written for QNTX's own
 * TypeScript runtime become one in `foreign.ts`.
 */
import type {
  ConfigFieldSchema,
  GlyphDef,
  HTTPRequest,
  HTTPResponse,
  InitializeRequest,
  MetadataResponse,
  ScheduleInfo,
  WatcherRegistration,
} from "../../proto/gen/protocol/domain.ts";
import type { DeclaredSchedule, Endpoint, HandlerOptions } from "../../proto/gen/qntx/v1/plugin.ts";
import { createRouter } from "./http.ts";
import { checkedName, handlerName, PluginError, refuseUnknown } from "./names.ts";
import type { Host, JobHandler, JobOptions, Locks, PluginDefinition, SocketHandler } from "./qntx.ts";
import { readPriority, readSchedules } from "./schedules.ts";
import { readConfigFields, readGlyphs } from "./surface.ts";
import { readWatchers } from "./watchers.ts";

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
  /** Of the runs of its schedules that say none themselves. */
  readonly priority: number;
  /** What it declares now. Rejects with a PluginError when one cannot travel. */
  schedules(): Promise<DeclaredSchedule[]>;
  /** Schedules in QNTX's own form, answered by Initialize. */
  readonly scheduleInfos: ScheduleInfo[];
  readonly endpoints: Endpoint[];
  readonly watchers: WatcherRegistration[];
  readonly handlers: Handlers;
  /** Set for a lock provider. */
  readonly locks?: (host: Host) => Locks;
  start(host: Host, request: InitializeRequest): Promise<void>;
  stop(host: Host): Promise<void>;
  cleanup(): Promise<void>;
  /** The signal is aborted when nobody waits for the answer any more. */
  answer(request: HTTPRequest, host: Host, signal?: AbortSignal): Promise<HTTPResponse>;
  readonly websocket?: SocketHandler;
  readonly configFields: Record<string, ConfigFieldSchema>;
  glyphs(): Promise<GlyphDef[]>;
}

/** Checks a definition and makes it servable. Throws a PluginError that names the field. */
export function fromDefinition(definition: PluginDefinition): LoadedPlugin {
  const name = checkedName(definition.name);
  if (typeof definition.version !== "string" || definition.version === "") {
    throw new PluginError(`Plugin ${name} has no version. Add one, like version: "0.1.0".`);
  }
  const glyphs = readGlyphs(name, definition.glyphs ?? []);
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
    concurrency: readWidth(name, definition.concurrency ?? 0),
    priority: readPriority(`plugin ${name}`, definition.priority ?? 0),
    schedules: () => readSchedules(name, definition),
    scheduleInfos: [],
    endpoints: router.endpoints,
    watchers: readWatchers(name, definition.watchers ?? []),
    handlers: readHandlers(name, definition.jobs ?? {}),
    ...(definition.locks && { locks: definition.locks }),
    start: async (host) => definition.start?.(host),
    stop: async (host) => definition.stop?.(host),
    cleanup: async () => definition.cleanup?.(),
    answer: router.answer,
    ...(definition.websocket && { websocket: definition.websocket }),
    configFields: readConfigFields(name, definition.config ?? {}),
    glyphs: async () => glyphs,
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
    refuseUnknown(`handler ${name} of plugin ${plugin}`, typeof job === "function" ? {} : job, JOB_FIELDS);
    handlers.set(name, { run: options.run, options: readOptions(name, options) });
  }
  return handlers;
}

const INT32_MAX = 2_147_483_647; // What the wire takes.
const JOB_FIELDS: Record<keyof JobOptions, true> = {
  run: true,
  timeoutMs: true,
  maxAttempts: true,
  retry: true,
  concurrency: true,
  concurrencyPerKey: true,
  rate: true,
  burst: true,
  description: true,
};

function readOptions(name: string, options: JobOptions): HandlerOptions {
  return {
    name,
    timeoutMs: wholeOption(name, "timeoutMs", options.timeoutMs, Number.MAX_SAFE_INTEGER),
    maxAttempts: wholeOption(name, "maxAttempts", options.maxAttempts),
    concurrency: wholeOption(name, "concurrency", options.concurrency),
    concurrencyPerKey: wholeOption(name, "concurrencyPerKey", options.concurrencyPerKey),
    rate: textOption(name, "rate", options.rate ?? "", "50/s"),
    burst: wholeOption(name, "burst", options.burst),
    description: options.description ?? "",
    retry: textOption(name, "retry", options.retry ?? "", "fixed:30s"),
  };
}

function readWidth(plugin: string, width: number): number {
  if (Number.isInteger(width) && width >= 0 && width <= INT32_MAX) return width;
  throw new PluginError(
    `The concurrency of plugin ${plugin} is ${width}; it must be a whole number above 0.`,
  );
}

/** What it means is for the host to say. */
function textOption(handler: string, option: string, value: unknown, example: string): string {
  if (typeof value === "string") return value;
  throw new PluginError(
    `${option} of handler ${handler} is ${JSON.stringify(value)}; it must be a text, like "${example}".`,
  );
}

function wholeOption(handler: string, option: string, value: number | undefined, max = INT32_MAX): number {
  if (value === undefined) return 0;
  if (Number.isSafeInteger(value) && value > 0 && value <= max) return value;
  throw new PluginError(
    `${option} of handler ${handler} is ${value}; it must be a whole number above 0 and at most ${max}.`,
  );
}
