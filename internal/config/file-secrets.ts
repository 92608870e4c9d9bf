/**
 * File secrets: `[secrets.weather]` in qntx.toml. What a plugin may ask its host for by
 * name while it runs, and where that is kept. A section of its own, because the keys of
 * `[weather]` are handed over at the start, and what was installed has none. That of a
 * tenant's plugin says whose it is, `[secrets."acme/weather"]`: a name that is free may be
 * taken by another tenant's plugin, and the secrets are not for that one.
 */
import { isTable, said } from "./file-schedule.ts";
import { PLUGIN_NAME } from "./keys.ts";
import type { Problem } from "./problems.ts";
import { fetched, isReference, reference, type Source } from "./references.ts";
import type { TomlFile } from "./toml.ts";

export interface FileSecrets {
  /** `weather`, or `acme/weather` for a tenant's. */
  readonly owner: string;
  /** `env:NAME` or `file:PATH` by name. */
  readonly references: ReadonlyMap<string, string>;
  /** Where a name stands, for messages. */
  where(name: string): string;
}

export const SECRET_NAME_CHARS_MAX = 128; // A name of a variable; it stands in messages.
const SECRET_NAME = /^[A-Za-z0-9_][\w.-]*$/;
const HOW =
  'Write [secrets.NAME] on a line of its own, with the name of a plugin (a tenant\'s: [secrets."TENANT/NAME"]), and below it lines like KEY = "env:KEY".';

/** Reads all `[secrets.x]` sections; what is wrong with them is added to `problems`. */
export function readFileSecrets(file: TomlFile, problems: Problem[]): readonly FileSecrets[] {
  const sections: unknown = file.table["secrets"] ?? {};
  const wrong = (where: string, message: string, hint = HOW) => problems.push({ where, message, hint });
  if (!isTable(sections)) {
    wrong(file.where("secrets"), "secrets must be a section.");
    return [];
  }
  return Object.entries(sections).flatMap(([owner, table]) => {
    const where = (name: string) => file.where("secrets", owner, name);
    if (!isTable(table)) {
      wrong(file.where("secrets", owner), `secrets.${owner} is ${said(table)}, but must be a section.`);
      return [];
    }
    const [plugin = "", tenant, ...more] = owner.split("/").toReversed();
    // Tenants are named as plugins are.
    if (!PLUGIN_NAME.test(plugin) || (tenant !== undefined && !PLUGIN_NAME.test(tenant)) || more.length > 0)
      wrong(file.where("secrets", owner), `secrets."${owner}" names no plugin.`);
    for (const [name, value] of Object.entries(table)) {
      if (!SECRET_NAME.test(name) || name.length > SECRET_NAME_CHARS_MAX)
        wrong(where(name), `secrets.${owner}."${name}" is no name of a secret.`, NAME_HINT);
      // What was written there may be the secret itself, so it is not shown.
      if (typeof value !== "string" || !isReference(value))
        wrong(where(name), `secrets.${owner}.${name} must be ${reference.expects}.`);
    }
    const references = new Map(Object.entries(table).map(([name, value]) => [name, String(value)]));
    return [{ owner, references, where }];
  });
}

const NAME_HINT = `It has letters, digits, dots, dashes and _, and at most ${SECRET_NAME_CHARS_MAX} characters.`;

/** Under which name a plugin's secrets stand. */
export function secretsOwner({ plugin, tenant }: { plugin: string; tenant: string }): string {
  return tenant === "" ? plugin : `${tenant}/${plugin}`;
}

/** What a plugin's secret is now; null when it has none of that name. Throws a Fault when it is not where it should be. */
export function secretOf(
  secrets: readonly FileSecrets[],
  { owner, name }: { owner: string; name: string },
  source: Source,
): string | null {
  const own = secrets.find((each) => each.owner === owner);
  const value = own?.references.get(name);
  if (!own || value === undefined) return null;
  return fetched(value, { name: `secrets.${owner}.${name}`, where: own.where(name) }, source);
}
