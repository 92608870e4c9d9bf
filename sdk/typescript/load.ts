/**
 * Load: a plugin's file or folder becomes something that can be served.
 *
 * The import `qntx` is answered from the program itself, so a plugin needs
 * nothing installed. Other packages come from a node_modules folder beside the
 * plugin or not at all: a missing one is an error and is never fetched (the
 * compiled program does not; `bun run` does unless told `--no-install`).
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { textOf } from "./ending.ts";
import { FOREIGN_KEYS, fromForeign } from "./foreign.ts";
import { fromDefinition, type LoadedPlugin } from "./loaded.ts";
import { PluginError } from "./names.ts";
import * as qntx from "./qntx.ts";

/** Loads a plugin's file, or a folder with `"qntx-plugin": true` in its package.json. Throws a PluginError. */
export async function loadPlugin(path: string): Promise<LoadedPlugin> {
  const file = pluginFile(resolve(path));
  const module = await importModule(file);
  const exported = module["default"] ?? module;
  if (!isObject(exported) || typeof exported === "function") {
    throw new PluginError(`${file} has no plugin as its default export. ${EXAMPLE}`);
  }
  if (!("name" in exported)) throw new PluginError(`The plugin in ${file} has no name. ${EXAMPLE}`);
  try {
    return FOREIGN_KEYS.some((key) => key in exported)
      ? fromForeign(exported)
      : fromDefinition(readDefinition(exported));
  } catch (error) {
    throw new PluginError(`${file}: ${textOf(error)}`, { cause: error });
  }
}

/** Imports a file of somebody else, with `qntx` answered by us. Throws a PluginError that names the file. */
export async function importModule(file: string): Promise<Record<string, unknown>> {
  offerQntx();
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    throw new PluginError(`${file} cannot be loaded: ${whyNot(error)}`, { cause: error });
  }
}

const EXAMPLE = "Add: export default definePlugin({ name, version, jobs }).";
const DEFINITION_KEYS = new Set([
  "name",
  "version",
  "description",
  "author",
  "license",
  "capabilities",
  "concurrency",
  "jobs",
  "schedules",
  "priority",
  "watchers",
  "config",
  "glyphs",
  "locks",
  "http",
  "websocket",
  "start",
  "stop",
  "cleanup",
]);

function pluginFile(path: string): string {
  if (!existsSync(path)) throw new PluginError(`There is no plugin at ${path}.`);
  if (!statSync(path).isDirectory()) return path;
  if (!marked(join(path, "package.json"))) {
    throw new PluginError(`Folder ${path} is no plugin: it has no package.json with "qntx-plugin": true.`);
  }
  const file = join(path, "plugin.ts");
  if (!existsSync(file)) throw new PluginError(`Folder ${path} is marked as a plugin but has no plugin.ts.`);
  return file;
}

function marked(file: string): boolean {
  if (!existsSync(file)) return false;
  try {
    const json: unknown = JSON.parse(readFileSync(file, "utf8"));
    return isObject(json) && "qntx-plugin" in json && json["qntx-plugin"] === true;
  } catch (error) {
    throw new PluginError(`${file} is not JSON: ${textOf(error)}`, { cause: error });
  }
}

/** A misspelt field would do nothing, silently; so it is refused. */
function readDefinition(exported: object): qntx.PluginDefinition {
  const unknown = Object.keys(exported).filter((key) => !DEFINITION_KEYS.has(key));
  if (unknown.length > 0) {
    const known = [...DEFINITION_KEYS].join(", ");
    throw new PluginError(`A plugin has no field ${unknown.join(", ")}. It has ${known}.`);
  }
  return exported as qntx.PluginDefinition; // Its fields are checked one by one where they are read.
}

/** Answers `import … from "qntx"`. A second call replaces the first by the same. */
function offerQntx(): void {
  Bun.plugin({
    name: "qntx",
    setup: (build) => void build.module("qntx", () => ({ exports: { ...qntx }, loader: "object" })),
  });
}

function whyNot(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(whyNot).join("; ");
  const text = textOf(error);
  if (!isObject(error)) return text;
  if ("position" in error && isObject(error.position) && "line" in error.position) {
    return `line ${error.position.line}: ${text}`;
  }
  if ("code" in error && String(error.code).endsWith("MODULE_NOT_FOUND")) {
    return `${text}. Packages are not fetched; install it beside the plugin.`;
  }
  return text;
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
