/**
 * LiveConfig: the configuration of a running host. Sections of plugins, their quotas, and which
 * of them are enabled, can be read again while it runs; all else counts from the next start on.
 *
 * Either all of a new file counts, or nothing: what is wrong with it, also by what a
 * plugin says of its own keys, leaves everything as it was.
 */
import type { Config } from "../config/config.ts";
import { secretsOwner } from "../config/file-secrets.ts";
import { configFault, type Problem } from "../config/problems.ts";
import { idleSections } from "../operations/idle-sections.ts";
import type { ConfigReloaded } from "../operations/operation.ts";
import { hasFailed, type PluginStatus } from "../plugin/plugin.ts";
import type { Plugins } from "../plugins/plugins.ts";

export interface LiveConfigOptions {
  config: Config;
  /** Reads it again. Throws a Fault with everything that is wrong with it. */
  load(): Promise<Config>;
}

/** Plugins, as far as a new configuration concerns them. */
export type Reloadable = Pick<
  Plugins,
  "statuses" | "isInstalled" | "configOf" | "problemsWith" | "reconfigure"
>;

export class LiveConfig {
  readonly #load: () => Promise<Config>;
  readonly #first: Config;
  #now: Config;
  #reloading: Promise<unknown> = Promise.resolve();

  constructor({ config, load }: LiveConfigOptions) {
    this.#load = load;
    this.#first = config;
    this.#now = config;
  }

  /** What counts for plugins now. */
  get now(): Config {
    return this.#now;
  }

  /**
   * Reads it again and gives plugins what is theirs. Throws a Fault, and then nothing has changed.
   * Two at once are one after the other: the second would restart what the first restarts just now.
   */
  reload(plugins: Reloadable, onChange: () => void): Promise<ConfigReloaded> {
    const done = this.#reloading.then(() => this.#reload(plugins, onChange));
    this.#reloading = done.catch(() => {}); // Its own caller hears of it.
    return done;
  }

  async #reload(plugins: Reloadable, onChange: () => void): Promise<ConfigReloaded> {
    const next = await this.#load();
    const changed = await this.#accept(next, plugins);
    const before = this.#now;
    const added = next.plugin.enabled.filter((name) => !before.plugin.enabled.includes(name));
    const removed = before.plugin.enabled.filter((name) => !next.plugin.enabled.includes(name));
    this.#now = next;
    onChange();
    const statuses = await plugins.reconfigure({ added, removed, changed });
    return {
      file: next.file,
      restarted: statuses.filter(({ name }) => changed.includes(name)),
      added: statuses.filter(({ name }) => added.includes(name)),
      removed,
      quotas: changedQuotas(before, next),
      later: laterKeys(this.#first, next),
      warnings: straySections(next, plugins.statuses()),
    };
  }

  /** Whose section has changed. Throws a Fault with what plugins that run say against their values. */
  async #accept(next: Config, plugins: Reloadable): Promise<string[]> {
    const problems: Problem[] = [];
    const changed: string[] = [];
    for (const status of plugins.statuses()) {
      const { name } = status;
      if (!isOfFile(next, name) || plugins.isInstalled(name)) continue;
      const values = next.pluginConfig(name);
      const isSame = sameSection(this.#now, next, name) && same(values, plugins.configOf(name) ?? values);
      // What is granted counts from the next call on; who has failed for want of it makes none.
      const mayNow = hasFailed(status) && !same(this.#now.pluginGrant(name), next.pluginGrant(name));
      if (isSame && !mayNow) continue;
      changed.push(name);
      const found = await plugins.problemsWith(name, values, next.pluginSecrets(name));
      for (const { key, says } of found)
        problems.push({ where: next.pluginWhere(name, key), message: `[${name}] ${says}`, hint: HINT });
    }
    if (problems.length > 0) throw configFault(problems);
    return changed;
  }
}

const HINT = "Nothing was changed: the plugin goes on with the values that it has.";

/** Sections that are for nobody: a slip in a name, and a plugin is not held to what somebody believes. */
export function straySections(
  { quotas, isolations, secrets }: Config,
  plugins: readonly Pick<PluginStatus, "name" | "tenant">[],
): string[] {
  const names = plugins.map(({ name }) => name);
  const owners = plugins.map(({ name: plugin, tenant }) => secretsOwner({ plugin, tenant }));
  return [
    ...idleSections("quota", [...quotas.keys()], names),
    ...idleSections(
      "isolation",
      isolations.map(({ plugin }) => plugin),
      names,
    ),
    ...idleSections(
      "secrets",
      secrets.map(({ owner }) => owner),
      owners,
    ),
  ];
}

/** Bundled ones have a section without being enabled; those that are no longer enabled have none. */
function isOfFile(config: Config, name: string): boolean {
  return config.plugin.enabled.includes(name) || config.sections.some((section) => section.name === name);
}

function sameSection(a: Config, b: Config, name: string): boolean {
  const of = (config: Config) => {
    const section = config.sections.find((one) => one.name === name);
    return { values: section?.values ?? {}, args: section?.args ?? [], address: section?.address ?? null };
  };
  return same(of(a), of(b));
}

function changedQuotas({ quotas: before }: Config, { quotas: next }: Config): string[] {
  const names = new Set([...before.keys(), ...next.keys()]);
  return [...names].filter((name) => !same(before.get(name), next.get(name)));
}

/** Keys outside of plugins that the running host does not follow. */
function laterKeys(first: Config, next: Config): string[] {
  const keys = Object.keys(next.values).filter(
    (key) => key !== "plugin.enabled" && !same(Reflect.get(first.values, key), Reflect.get(next.values, key)),
  );
  const lists = (["schedules", "handlers", "budgets"] as const).filter(
    (list) => !same(first[list], next[list]),
  );
  return [...keys, ...lists, ...changedIsolations(first, next)];
}

function changedIsolations({ isolations: first }: Config, { isolations: next }: Config): string[] {
  const names = new Set([...first, ...next].map(({ plugin }) => plugin));
  const of = (isolations: Config["isolations"], name: string) =>
    isolations.find(({ plugin }) => plugin === name);
  return [...names]
    .filter((name) => !same(of(first, name), of(next, name)))
    .map((name) => `isolation.${name}`);
}

function same(a: unknown, b: unknown): boolean {
  return Bun.deepEquals(a, b);
}
