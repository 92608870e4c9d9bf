/**
 * File secrets: `[secrets.weather]` in qntx.toml. What a plugin may ask its host for by
 * name while it runs, and where that is kept. A section of its own, because the keys of
 * `[weather]` are handed over at the start, and what was installed has none.
 */
import { isTable, said } from "./file-schedule.ts";
import { PLUGIN_NAME } from "./keys.ts";
import type { Problem } from "./problems.ts";
import { fetched, isReference, reference, type Source } from "./references.ts";
import type { TomlFile } from "./toml.ts";

export interface FileSecrets {
  readonly plugin: string;
  /** `env:NAME` or `file:PATH` by name. */
  readonly references: ReadonlyMap<string, string>;
  /** Where a name stands, for messages. */
  where(name: string): string;
}

export const SECRET_NAME_CHARS_MAX = 128; // A name of a variable; it stands in messages.
const SECRET_NAME = /^[A-Za-z0-9_][\w.-]*$/;
const HOW =
  'Write [secrets.NAME] on a line of its own, with the name of a plugin, and below it lines like KEY = "env:KEY".';

/** Reads all `[secrets.x]` sections; what is wrong with them is added to `problems`. */
export function readFileSecrets(file: TomlFile, problems: Problem[]): readonly FileSecrets[] {
  const sections: unknown = file.table["secrets"] ?? {};
  const wrong = (where: string, message: string, hint = HOW) => problems.push({ where, message, hint });
  if (!isTable(sections)) {
    wrong(file.where("secrets"), "secrets must be a section.");
    return [];
  }
  return Object.entries(sections).flatMap(([plugin, table]) => {
    const where = (name: string) => file.where("secrets", plugin, name);
    if (!isTable(table)) {
      wrong(file.where("secrets", plugin), `secrets.${plugin} is ${said(table)}, but must be a section.`);
      return [];
    }
    if (!PLUGIN_NAME.test(plugin))
      wrong(file.where("secrets", plugin), `secrets."${plugin}" names no plugin.`);
    for (const [name, value] of Object.entries(table)) {
      if (!SECRET_NAME.test(name) || name.length > SECRET_NAME_CHARS_MAX)
        wrong(where(name), `secrets.${plugin}."${name}" is no name of a secret.`, NAME_HINT);
      // What was written there may be the secret itself, so it is not shown.
      if (typeof value !== "string" || !isReference(value))
        wrong(where(name), `secrets.${plugin}.${name} must be ${reference.expects}.`);
    }
    const references = new Map(Object.entries(table).map(([name, value]) => [name, String(value)]));
    return [{ plugin, references, where }];
  });
}

const NAME_HINT = `It has letters, digits, dots, dashes and _, and at most ${SECRET_NAME_CHARS_MAX} characters.`;

/** What a plugin's secret is now; null when it has none of that name. Throws a Fault when it is not where it should be. */
export function secretOf(
  secrets: readonly FileSecrets[],
  { plugin, name }: { plugin: string; name: string },
  source: Source,
): string | null {
  const own = secrets.find((each) => each.plugin === plugin);
  const value = own?.references.get(name);
  if (!own || value === undefined) return null;
  return fetched(value, { name: `secrets.${plugin}.${name}`, where: own.where(name) }, source);
}
