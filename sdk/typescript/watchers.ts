/** Watchers: what a plugin watches for, in the form that travels. Whether a filter makes sense is for the host to say. */
import { WatcherRegistration } from "../../proto/gen/protocol/domain.ts";
import { handlerName, PluginError } from "./names.ts";
import type { DeclaredWatcher } from "./qntx.ts";

/** A misspelt field would do nothing, silently. */
const FIELDS: Record<keyof DeclaredWatcher, true> = {
  id: true,
  handler: true,
  subjects: true,
  predicates: true,
  contexts: true,
  actors: true,
  maxPerSecond: true,
};

/** Reads a plugin's watchers. Throws a PluginError that names the watcher and its field. */
export function readWatchers(plugin: string, watchers: readonly DeclaredWatcher[]): WatcherRegistration[] {
  return watchers.map((watcher, index) => {
    const which = `watcher ${JSON.stringify(watcher.id) ?? `no. ${index + 1}`} of plugin ${plugin}`;
    const unknown = Object.keys(watcher).filter((key) => !Object.hasOwn(FIELDS, key));
    if (unknown.length > 0)
      throw new PluginError(
        `The ${which} has no field ${unknown.join(", ")}. It has ${Object.keys(FIELDS).join(", ")}.`,
      );
    const { id, handler, maxPerSecond = 0 } = watcher;
    if (typeof id !== "string" || id === "") throw new PluginError(`The ${which} has no id.`);
    if (typeof handler !== "string" || handler === "") throw new PluginError(`The ${which} has no handler.`);
    if (!Number.isSafeInteger(maxPerSecond) || maxPerSecond < 0)
      throw new PluginError(`maxPerSecond of ${which} is ${maxPerSecond}; it must be a whole number.`);
    const values = (field: "subjects" | "predicates" | "contexts" | "actors") =>
      readValues(`${field} of ${which}`, watcher[field] ?? []);
    return WatcherRegistration.fromPartial({
      id,
      handlerName: handlerName(plugin, handler),
      subjects: values("subjects"),
      predicates: values("predicates"),
      contexts: values("contexts"),
      actors: values("actors"),
      maxFiresPerSecond: maxPerSecond,
    });
  });
}

function readValues(which: string, values: unknown): string[] {
  if (Array.isArray(values) && values.every((value): value is string => typeof value === "string"))
    return values;
  throw new PluginError(`${which} is ${JSON.stringify(values)}; it must be a list of texts.`);
}
