/** Describe: a plugin in words. */
import type { Standing } from "../../../../internal/access/grants.ts";
import {
  type ConfigFieldView,
  type PluginDetails,
  type PluginView,
  type WatcherView,
  withHint,
} from "../../../../internal/operations/plugin.ts";
import type { Glyph } from "../../../../internal/plugin/glyph.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import { factLines, whenInFull, whenShown } from "../../facts.ts";
import type { Out } from "../../output.ts";

/** All of it. */
export function pluginFacts(out: Out, plugin: PluginDetails): string {
  return factLines(out, [
    ["name", plugin.name],
    ["tenant", plugin.tenant],
    ["about", plugin.description],
    ["version", plugin.version],
    ["state", withHint(stateOf(plugin), plugin.hint)],
    ["kind", plugin.kind],
    ["pid", plugin.pid],
    ["started", whenInFull(out, plugin.startedAt)],
    ["restarts", plugin.restarts],
    ["jobs", `${plugin.running} of ${plugin.concurrency} at once`],
    ["runs as", plugin.isolation.user],
    [
      "held to",
      plugin.isolation.limits.map(({ limit, most, by }) => `${limit} ${most}, by ${by}`).join("\n"),
    ],
    ["not held", plugin.isolation.notes.join("\n")],
    ["may", plugin.capabilities.flatMap(may).join("\n")],
    ["lacks", plugin.capabilities.flatMap(lacks(plugin)).join("\n")],
    ["handlers", plugin.handlers.join("\n")],
    ["endpoints", plugin.endpoints.map(endpointShown).join("\n")],
    ["taken", plugin.conflicts.map((handler) => `${handler} belongs to another plugin`).join("\n")],
    ["provides", plugin.provides.join(", ")],
    ["watches", plugin.watchers.map((watcher) => watcherText(out, watcher)).join("\n")],
    ["config", plugin.config.map(fieldText).join("\n")],
    ["glyphs", plugin.glyphs.map(glyphText).join("\n")],
    ["last lines", plugin.lastLines.join("\n")],
  ]);
}

/** `imports (tides.import): predicates imported, updated; 10/s; 3 jobs, the last 2 min ago`. */
function watcherText(out: Out, watcher: WatcherView): string {
  const { id, handler, subjects, predicates, contexts, actors, firesPerSecondMax, fires } = watcher;
  const wants = Object.entries({ subjects, predicates, contexts, actors })
    .filter(([, values]) => values.length > 0)
    .map(([field, values]) => `${field} ${values.join(", ")}`);
  const last = fires === 0 ? "" : `, the last ${whenShown(out, watcher.lastFiredAt)}`;
  const made = `${fires} job${fires === 1 ? "" : "s"}${last}`;
  const late = watcher.behind ? ["behind: more match than it may run"] : [];
  return `${id} (${handler}): ${[wants.join(" and "), `${firesPerSecondMax}/s`, made, ...late].join("; ")}`;
}

/** `places (array, needed): Where it looks.` */
function fieldText({ name, type, required, fallback, description }: ConfigFieldView): string {
  const usual = fallback === "" ? [] : [`${fallback} when absent`];
  const words = [type ?? "anything", ...(required ? ["needed"] : []), ...usual];
  return `${name} (${words.join(", ")})${description === "" ? "" : `: ${description}`}`;
}

/** `☀ Weather: /api/weather/content`. */
function glyphText({ symbol, title, content, module }: Glyph): string {
  return `${[symbol, title].filter((word) => word !== "").join(" ")}: ${module || content}`;
}

/** One sentence after something was done to it. */
export function pluginSentence(plugin: PluginView): string {
  const said = stateOf(plugin).replace(/\.$/, "");
  return `Plugin ${plugin.name} is ${plugin.state === "conflict" ? "in " : ""}${said}.`;
}

/** What starting it came to. */
export function startCode({ state }: PluginView): ExitCode {
  return state === "failed" ? EXIT.failed : EXIT.ok;
}

/** Each capability with who gave it, where that was not the host by itself. */
function may({ capability, granted, by }: Standing): string[] {
  if (!granted) return [];
  return [by === "usual" ? capability : `${capability} (granted by ${by === "config" ? "qntx.toml" : by})`];
}

/** What it wants, or was taken from it. */
function lacks({ wants }: PluginView): (standing: Standing) => string[] {
  return ({ capability, granted, by }) => {
    if (granted) return [];
    if (by !== "usual") return [`${capability} (revoked by ${by})`];
    return wants.includes(capability) ? [`${capability} (wanted)`] : [];
  };
}

function endpointShown({ method, path, description, schedulable }: PluginView["endpoints"][number]): string {
  const about = description === "" ? "" : `: ${description}`;
  return `${method} ${path}${about}${schedulable ? " (schedulable)" : ""}`;
}

function stateOf({ state, reason }: PluginView): string {
  return reason === "" ? state : `${state}: ${reason}`;
}
