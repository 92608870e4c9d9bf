/** Sections: which of them, and which keys in them, may be there at all. */
import { nearest } from "../base/suggest.ts";
import { isTable, said } from "./file-schedule.ts";
import {
  BUNDLED_PLUGINS,
  type ConfigValues,
  configKeys,
  isConfigKey,
  ownSections,
  variableOf,
} from "./keys.ts";
import { textsOf } from "./kinds.ts";
import { type PluginSection, readPluginSection } from "./plugin-section.ts";
import type { Problem } from "./problems.ts";
import type { Origins } from "./sources.ts";
import type { TomlFile } from "./toml.ts";

const LISTS = ["schedule", "handler", "budget", "quota", "isolation", "secrets"]; // Sections of sections, read elsewhere.
const VARIABLES_BESIDE_KEYS = ["QNTX_CONFIG", "QNTX_SERVER"];
const VARIABLE_SLIPS_MAX = 2; // The environment is shared: only what is nearly one of ours is taken for a mistake.

/** Checks every section of the file and returns those that belong to plugins. */
export function readSections(
  file: TomlFile,
  values: ConfigValues,
  origins: Origins,
  problems: Problem[],
): readonly PluginSection[] {
  const own = [...ownSections(), ...LISTS];
  const plugins = pluginNames(file, values);
  checkNames(values["plugin.enabled"], own, origins, problems);
  return Object.entries(file.table).flatMap(([name, table]) => {
    if (LISTS.includes(name)) return [];
    if (own.includes(name)) checkOwn(file, name, table, problems);
    else if (!isTable(table)) problems.push(strayKey(file, name));
    else if (plugins.has(name)) return [readPluginSection(file, name, table, problems)];
    else problems.push(unknownSection(file, name, [...own, ...plugins]));
    return [];
  });
}

/** Notes variables that are nearly one of ours. */
export function checkVariables(
  vars: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): void {
  const known = [...configKeys().map(variableOf), ...VARIABLES_BESIDE_KEYS];
  for (const variable of Object.keys(vars)) {
    if (!variable.startsWith("QNTX_") || known.includes(variable)) continue;
    const meant = nearest(variable, known, VARIABLE_SLIPS_MAX);
    // A word that only begins like ours (QNTX_PLUGIN) is somebody else's.
    if (meant === undefined || meant.startsWith(variable)) continue;
    problems.push({
      where: variable,
      message: `There is no variable ${variable}.`,
      hint: `Did you mean ${meant}?`,
    });
  }
}

/** Those that are enabled, by the file even where the environment says otherwise, and those in the binary. */
function pluginNames(file: TomlFile, values: ConfigValues): Set<string> {
  const { plugin } = file.table;
  const inFile = isTable(plugin) ? (textsOf(plugin["enabled"]) ?? []) : [];
  return new Set([...BUNDLED_PLUGINS, ...values["plugin.enabled"], ...inFile]);
}

function checkNames(
  enabled: readonly string[],
  own: readonly string[],
  origins: Origins,
  problems: Problem[],
): void {
  for (const name of enabled.filter((candidate) => own.includes(candidate))) {
    problems.push({
      where: origins["plugin.enabled"].where,
      message: `plugin.enabled has "${name}", but [${name}] is a section of qntx.`,
      hint: "The plugin needs another name.",
    });
  }
}

function checkOwn(file: TomlFile, section: string, table: unknown, problems: Problem[]): void {
  if (!isTable(table)) {
    problems.push({
      where: file.where(section),
      message: `${section} is ${said(table)}, but must be a section.`,
      hint: `Write [${section}] on a line of its own, and its keys below.`,
    });
    return;
  }
  for (const word of Object.keys(table)) {
    if (isConfigKey(`${section}.${word}`)) continue;
    problems.push({
      where: file.where(section, word),
      message: `${word} is not a key of [${section}].`,
      hint: whichKey(word, section),
    });
  }
}

function whichKey(word: string, section: string): string {
  const words = configKeys().flatMap((key) =>
    key.startsWith(`${section}.`) ? [key.slice(section.length + 1)] : [],
  );
  const meant = nearest(word, words);
  return meant === undefined ? `The keys of [${section}] are ${words.join(", ")}.` : `Did you mean ${meant}?`;
}

function strayKey(file: TomlFile, name: string): Problem {
  const where = file.where(name);
  if (name === "home") {
    const message = "home cannot be said in the file, which is looked for in that folder.";
    return { where, message, hint: "Use --home or QNTX_HOME." };
  }
  if (isListOfTables(file.table[name])) {
    const isNear = nearest(name, ["schedule"]) !== undefined;
    const hint = isNear ? "Did you mean [[schedule]]?" : `One bracket is enough: [${name}].`;
    return { where, message: `[[${name}]] is nothing that qntx knows.`, hint };
  }
  const words = new Map(configKeys().map((key) => [key.slice(key.indexOf(".") + 1), key]));
  const meant = words.get(nearest(name, words.keys()) ?? "");
  return {
    where,
    message: `${name} stands outside of any section.`,
    hint: meant
      ? `Did you mean ${meant.slice(meant.indexOf(".") + 1)} under [${meant.slice(0, meant.indexOf("."))}]?`
      : "Put it under the section it belongs to.",
  };
}

function isListOfTables(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isTable);
}

function unknownSection(file: TomlFile, name: string, known: readonly string[]): Problem {
  const meant = nearest(name, known);
  return {
    where: file.where(name),
    message: `[${name}] is neither a section of qntx nor an enabled plugin.`,
    hint: meant
      ? `Did you mean [${meant}]?`
      : `Add "${name}" to enabled under [plugin] if it is a plugin, or delete the section.`,
  };
}
