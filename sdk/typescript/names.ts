/** Names: what a plugin and a handler may be called, and PluginError, which tells an author what is wrong. */

/** What is wrong with a plugin's module, as a sentence for its author. */
export class PluginError extends Error {
  override name = "PluginError";
}

const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;
const HANDLER_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$/;

/** Checks a plugin's name: it is a folder, a log file and a piece of a URL. Throws a PluginError. */
export function checkedName(name: unknown): string {
  if (typeof name === "string" && NAME_PATTERN.test(name)) return name;
  throw new PluginError(
    `${JSON.stringify(name) ?? "undefined"} is not a plugin's name. Use small letters, digits and dashes.`,
  );
}

/** The name of a handler as it is announced: a key without a dot gets the plugin's name in front. Throws a PluginError. */
export function handlerName(plugin: string, key: string): string {
  const name = key.includes(".") ? key : `${plugin}.${key}`;
  if (HANDLER_PATTERN.test(name)) return name;
  throw new PluginError(
    `${JSON.stringify(key)} is not a handler's name. Use letters, digits and _ . : - (at most 128).`,
  );
}

/** A misspelt field would do nothing, silently. Throws a PluginError that names those that there are. */
export function refuseUnknown(which: string, thing: object, known: Record<string, true>): void {
  const unknown = Object.keys(thing).filter((key) => !Object.hasOwn(known, key));
  if (unknown.length === 0) return;
  throw new PluginError(
    `The ${which} has no field ${unknown.join(", ")}. It has ${Object.keys(known).join(", ")}.`,
  );
}
