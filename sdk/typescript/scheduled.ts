/**
 * ScheduledPlugin: a plugin that is nothing but its schedules. It says when, and
 * one function is run each time. An object will do, or an instance of a class.
 *
 * ```ts
 * import { defineScheduledPlugin } from "qntx";
 *
 * export default defineScheduledPlugin({
 *   name: "sweeper",
 *   version: "0.1.0",
 *   schedules: [{ id: "hourly", when: "@hourly" }],
 *   run: (job) => job.log("sweeping", { run: job.runCount ?? 0 }),
 * });
 * ```
 *
 * It becomes a plugin with one handler, `<plugin>.run`, which all schedules run.
 */
import { PluginError } from "./names.ts";
import type { DeclaredSchedule, Declarations, Job, PluginDefinition } from "./qntx.ts";

/** When to run: a declared schedule whose handler is the plugin's `run`. */
export type PluginSchedule = Omit<DeclaredSchedule, "handler">;

/** What an author writes: `schedules`, `run` and, as they like, `cleanup`. */
export interface ScheduledPlugin extends Omit<
  PluginDefinition,
  "watchers" | "config" | "glyphs" | "jobs" | "schedules" | "locks"
> {
  schedules: Declarations<PluginSchedule>;
  /** One run. `declaredId` says of which schedule; what it returns and throws is what any handler does. */
  run(job: Job): unknown;
  /** Milliseconds that a run may take where its schedule says nothing; the host's `plugin.run` when absent. */
  timeoutMs?: number;
  /** Tries of a run; the host's default when absent. */
  maxAttempts?: number;
  /** How long a run waits between tries: "exponential:2s..10m", "linear:10s..5m", "fixed:30s" or "list:1s,10s,5m". */
  retry?: string;
}

/** Makes it a definition that can be loaded. Its methods keep their `this`. Throws a PluginError that names what is wrong. */
export function defineScheduledPlugin(plugin: ScheduledPlugin): PluginDefinition {
  check(plugin);
  const { timeoutMs, maxAttempts, retry } = plugin;
  const run = {
    run: (job: Job) => plugin.run(job),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(maxAttempts !== undefined && { maxAttempts }),
    ...(retry !== undefined && { retry }),
  };
  return {
    ...plain(plugin),
    jobs: { run },
    schedules: async () => (await listOf(plugin)).map((schedule) => ({ ...schedule, handler: "run" })),
    start: (host) => plugin.start?.(host),
    stop: (host) => plugin.stop?.(host),
    cleanup: () => plugin.cleanup?.(),
  };
}

const FIELDS: Record<keyof ScheduledPlugin, true> = {
  name: true,
  version: true,
  description: true,
  author: true,
  license: true,
  schedules: true,
  run: true,
  cleanup: true,
  timeoutMs: true,
  maxAttempts: true,
  retry: true,
  priority: true,
  concurrency: true,
  capabilities: true,
  http: true,
  websocket: true,
  start: true,
  stop: true,
};

/** A misspelt field would do nothing, silently. What an instance of a class has besides is its own affair. */
function check(plugin: ScheduledPlugin): void {
  const whose = `ScheduledPlugin ${plugin.name}`;
  const unknown = Object.keys(plugin).filter((key) => !Object.hasOwn(FIELDS, key));
  if (Object.getPrototypeOf(plugin) === Object.prototype && unknown.length > 0)
    throw new PluginError(
      `${whose} has no field ${unknown.join(", ")}. It has ${Object.keys(FIELDS).join(", ")}.`,
    );
  if (typeof plugin.run !== "function")
    throw new PluginError(`${whose} has no run. Add one, like run(job) { … }.`);
  if (plugin.schedules === undefined)
    throw new PluginError(
      `${whose} has no schedules. Add them, like schedules: [{ id: "often", when: "5m" }].`,
    );
}

/** What stays as it is. Named one by one: an instance of a class has its methods in its prototype. */
function plain(
  plugin: ScheduledPlugin,
): Omit<PluginDefinition, "watchers" | "config" | "glyphs" | "jobs" | "schedules"> {
  const { name, version, description, author, license, capabilities, concurrency, priority, http } = plugin;
  return {
    name,
    version,
    ...(description !== undefined && { description }),
    ...(author !== undefined && { author }),
    ...(license !== undefined && { license }),
    ...(capabilities !== undefined && { capabilities }),
    ...(concurrency !== undefined && { concurrency }),
    ...(priority !== undefined && { priority }),
    ...(http !== undefined && { http }),
  };
}

function listOf(plugin: ScheduledPlugin) {
  return typeof plugin.schedules === "function" ? plugin.schedules() : plugin.schedules;
}
