/** What can be done to plugins of a running host. */
import { z } from "zod";
import type { Standing } from "../access/grants.ts";
import type { PluginEndpoint } from "../access/principal.ts";
import { Fault, shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import type { ConfigField } from "../plugin/config-field.ts";
import type { Glyph } from "../plugin/glyph.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import type { KeptWatcher } from "../store/watchers.ts";
import { type Context, type Host, operation } from "./operation.ts";

const reference = z.strictObject({ name: z.string() });

export const pluginList = operation({
  name: "plugin.list",
  summary: "List plugins with their states and reasons",
  needsHost: true,
  input: z.strictObject({}),
  async run(context) {
    const host = hostOf(context);
    return { plugins: host.plugins.statuses().map((status) => viewPlugin(host, status)) };
  },
});

export const pluginShow = operation({
  name: "plugin.show",
  summary: "Show one plugin",
  needsHost: true,
  input: reference,
  async run(context, { name }) {
    resolvePlugin(context, name);
    const watchers = await context.store.watchers.of(name);
    const { fields, glyphs } = await hostOf(context).plugins.about(name);
    const view = viewPlugin(hostOf(context), resolvePlugin(context, name));
    const config = fields.map(viewField);
    return { ...view, watchers: watchers.map(viewWatcher), config, glyphs } satisfies PluginDetails;
  },
});

export const pluginGlyphs = operation({
  name: "plugin.glyphs",
  summary: "List the glyphs of all plugins, and where their parts are",
  needsHost: true,
  input: z.strictObject({}),
  async run(context) {
    const { plugins } = hostOf(context);
    const of = async (plugin: string) => {
      const { glyphs } = await plugins.about(plugin);
      return glyphs.map((glyph) => ({ plugin, ...glyph }));
    };
    const glyphs = await Promise.all(plugins.statuses().map(({ name }) => of(name)));
    return { glyphs: glyphs.flat() };
  },
});

export const pluginLogs = operation({
  name: "plugin.logs",
  summary: "Show the lines that a plugin printed lately",
  needsHost: true,
  input: z.strictObject({ name: z.string(), after: z.int().min(0).optional() }),
  async run(context, { name, after }): Promise<PluginLines> {
    resolvePlugin(context, name);
    return hostOf(context).plugins.lines(name, after ?? 0) ?? { lines: [], printed: 0 };
  },
});

const control = (verb: "restart" | "stop" | "start", summary: string) =>
  operation({
    name: `plugin.${verb}`,
    summary,
    needsHost: true,
    changes: true,
    input: reference,
    async run(context, { name }) {
      resolvePlugin(context, name);
      const host = hostOf(context);
      const status = await host.plugins[verb](name);
      if (!status) throw new Fault("not-found", `There is no plugin ${shown(name)}.`);
      return viewPlugin(host, status);
    },
  });

export const pluginRestart = control("restart", "Restart a plugin; lifts a quarantine");
export const pluginStop = control("stop", "Stop a plugin until it is started again");
export const pluginStart = control("start", "Start a plugin that was stopped");

export const pluginEndpoints = operation({
  name: "plugin.endpoints",
  summary: "List a plugin's own HTTP routes, and which of them schedules may call",
  plugin: "cap:scheduler.manage",
  needsHost: true,
  input: z.strictObject({ name: z.string().optional() }),
  async run(context, { name }): Promise<{ endpoints: PluginEndpoint[] }> {
    const { principal } = context;
    const endpoints =
      principal.kind === "plugin"
        ? (principal.endpoints ?? [])
        : resolvePlugin(context, name ?? "").endpoints;
    return { endpoints: endpoints.toSorted(byPath) };
  },
});

export const pluginOperations = [
  pluginList,
  pluginShow,
  pluginEndpoints,
  pluginGlyphs,
  pluginLogs,
  pluginRestart,
  pluginStop,
  pluginStart,
];

function byPath(a: PluginEndpoint, b: PluginEndpoint): number {
  return a.path === b.path ? compared(a.method, b.method) : compared(a.path, b.path);
}

function compared(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}

function hostOf({ host }: Context): Host {
  if (!host) throw new Error("an operation that needs a host ran without one");
  return host;
}

function resolvePlugin(context: Context, name: string): PluginStatus {
  const status = hostOf(context)
    .plugins.statuses()
    .find((plugin) => plugin.name === name);
  if (status) return status;
  throw new Fault("not-found", `There is no plugin ${shown(name)}.`, {
    hint: "qntx plugin list shows them.",
  });
}

/** What a plugin printed lately. `printed` is what to give as `after` the next time. */
export interface PluginLines {
  lines: readonly string[];
  printed: number;
}

/** How a plugin is shown. */
export interface PluginView extends Omit<PluginStatus, "startedAt"> {
  startedAt: string | null;
  /** What to do about its state; empty when there is nothing to do. */
  hint: string;
  /** Everything that a plugin may be allowed to do, whether this one is, and who said so. */
  capabilities: Standing[];
}

/** A watcher, and how far it has come. */
export interface WatcherView extends Omit<KeptWatcher, "plugin" | "tenant" | "queueDepth" | "lastFiredAt"> {
  lastFiredAt: string | null;
}

/** All about one plugin. */
export interface PluginDetails extends PluginView {
  watchers: WatcherView[];
  /** The keys of its section, as it says. */
  config: ConfigFieldView[];
  glyphs: readonly Glyph[];
}

/** A key of a plugin's section. */
export interface ConfigFieldView extends Omit<ConfigField, "pattern"> {
  pattern: string | null;
}

function viewField({ pattern, ...field }: ConfigField): ConfigFieldView {
  return { ...field, pattern: pattern?.source ?? null };
}

function viewWatcher(watcher: KeptWatcher): WatcherView {
  const { id, handler, subjects, predicates, contexts, actors, firesPerSecondMax, fires, behind } = watcher;
  const filter = { subjects, predicates, contexts, actors };
  const lastFiredAt = watcher.lastFiredAt === null ? null : formatInstant(watcher.lastFiredAt);
  return { id, handler, ...filter, firesPerSecondMax, fires, lastFiredAt, behind };
}

/** The way out of the state in which a plugin is. The reasons of a conflict and of what is disabled say it themselves. */
export function hintOf({
  name,
  state,
  startsAgain,
}: Pick<PluginStatus, "name" | "state" | "startsAgain">): string {
  const restart = `qntx plugin restart ${name}`;
  if (state === "failed" && startsAgain) return `It is started again by itself; at once with: ${restart}`;
  if (state === "failed") return `When that is mended: ${restart}`;
  if (state === "quarantined") return `Start it again with: ${restart}`;
  if (state === "unresponsive") return `If it stays so: ${restart}`;
  if (state === "starting" || state === "late") return `See what it says: qntx plugin logs ${name}`;
  if (state === "stopped") return `Start it with: qntx plugin start ${name}`;
  return "";
}

/** A state or its reason, and behind it what to do about it. */
export function withHint(reason: string, hint: string): string {
  if (hint === "" || reason === "") return `${reason}${hint}`;
  return `${reason.replace(/\.?$/, ".")} ${hint}`;
}

/** Makes the view of a plugin. */
export function viewPlugin({ grants }: Host, { startedAt, ...status }: PluginStatus): PluginView {
  return {
    ...status,
    startedAt: startedAt === null ? null : formatInstant(startedAt),
    hint: hintOf(status),
    capabilities: grants.standings(status.name),
  };
}
