/**
 * Config: file, environment and flags become one frozen value that knows where
 * each part of it came from.
 *
 * One file is read: the one that is named, or else `qntx.toml` in the data
 * folder, or else the one in the current folder. Whatever is wrong anywhere is
 * said at once, with its file and line.
 */
import type { Capability } from "../access/capability.ts";
import { type ScheduleQuota, UNLIMITED } from "../access/quota.ts";
import type { QuotaAmounts } from "../access/quotas.ts";
import type { Millis } from "../base/env.ts";
import { type IpRange, parseIpRange } from "../base/ip.ts";
import type { LogLevel } from "../base/log.ts";
import { findFile } from "./file.ts";
import { type FileBudget, readFileBudgets } from "./file-budget.ts";
import { readFileQuotas } from "./file-quota.ts";
import { type FileHandler, readFileHandlers } from "./file-handler.ts";
import { type FileIsolation, readFileIsolations } from "./file-isolation.ts";
import { type FileSchedule, readSchedules } from "./file-schedule.ts";
import { type FileSecrets, readFileSecrets, secretOf } from "./file-secrets.ts";
import type { ConfigKey, ConfigValues } from "./keys.ts";
import { checkLockPlugin, type LockKeeper, lockKeeper } from "./locks.ts";
import { type PluginSection, resolveValues, secretKeys } from "./plugin-section.ts";
import { configFault, type Problem } from "./problems.ts";
import { checkVariables, readSections } from "./sections.ts";
import { fetched, isWebAddress, type Source } from "./references.ts";
import { homeOf, type Origins, readKeys } from "./sources.ts";
import type { TomlFile } from "./toml.ts";

/** Where a value came from. */
export interface Origin {
  readonly kind: "default" | "file" | "environment" | "flag";
  /** `qntx.toml:3`, `QNTX_SERVE_PORT`, `--port`; "default" for none of them. */
  readonly where: string;
}

export interface Config {
  /** The data folder. */
  readonly home: string;
  /** The file that was read; null when there was none. */
  readonly file: string | null;
  /** Files that are there but were not read, because another came first. */
  readonly passedOver: readonly string[];
  /** Where a file was looked for, in order. */
  readonly searched: readonly string[];
  readonly serve: { readonly port: number; readonly host: string; readonly graceMs: Millis };
  readonly log: { readonly level: LogLevel; readonly format: "text" | "json" };
  readonly pulse: { readonly workers: number; readonly napMs: Millis };
  /** How long old rows are kept. */
  readonly retention: {
    readonly jobs: {
      readonly completedMs: Millis;
      readonly completedMax: number;
      readonly failedMs: Millis;
      readonly failedMax: number;
    };
    readonly ledgerMs: Millis;
    readonly auditMs: Millis;
    readonly eventsMs: Millis;
  };
  /** Who keeps the locks of schedules. */
  readonly locks: LockKeeper;
  readonly plugin: {
    readonly enabled: readonly string[];
    readonly paths: readonly string[];
    readonly startupMs: Millis;
    readonly describeMs: Millis;
    readonly runMs: Millis;
    readonly cleanupMs: Millis;
    readonly bundled: boolean;
  };
  /** What may be fetched for plugins although it is not on the public internet. */
  readonly fetch: { readonly allowed: readonly IpRange[] };
  readonly schedules: readonly FileSchedule[];
  /** Limits of handlers, over what their plugins announce. */
  readonly handlers: readonly FileHandler[];
  /** What the jobs of tenants, plugins and handlers may cost. */
  readonly budgets: readonly FileBudget[];
  /** How much plugins may take, by name. */
  readonly quotas: ReadonlyMap<string, QuotaAmounts>;
  /** How much people may take; absent: any number. */
  readonly people: { readonly quota?: ScheduleQuota };
  /** What the processes of plugins are held to. */
  readonly isolations: readonly FileIsolation[];
  /** What plugins may ask for by name, and where it is kept. */
  readonly secrets: readonly FileSecrets[];
  /** Where events are sent, its secret fetched now; null for nowhere. Throws a Fault that names the key of what is not there. */
  webhook(): { readonly url: string; readonly secret: string | null } | null;
  /** `[name]` sections, as they are written. */
  readonly sections: readonly PluginSection[];
  /** All values by key, for those who show them. */
  readonly values: ConfigValues;
  /** Where a key's value came from. */
  origin(key: ConfigKey): Origin;
  /** More words for a plugin's command line. */
  pluginArgs(name: string): readonly string[];
  /** `host:port` of a plugin that runs already; null when the host starts it. */
  pluginAddress(name: string): string | null;
  /** Capabilities that it has beyond the usual ones. */
  pluginGrant(name: string): readonly Capability[];
  /** Keys of its section whose values must not be shown. */
  pluginSecrets(name: string): ReadonlySet<string>;
  /** Where a key of its section stands, for messages. */
  pluginWhere(name: string, key: string): string;
  /** What a plugin is given, its secrets fetched now. Throws a Fault that names the key of one that is not there. */
  pluginConfig(name: string): Record<string, string>;
  /** A secret of a plugin, which stands under `secretsOwner`, fetched now; null when it has none of that name. Throws a Fault that names the key of one that is not there. */
  secretOf(owner: string, name: string): string | null;
}

export interface LoadOptions {
  /** The environment's variables. */
  vars: Readonly<Record<string, string | undefined>>;
  /** Options of the command line by key, as text; `config` names the file. */
  flags?: Flags;
  cwd: string;
  /** The folder that `~` means. */
  userHome: string;
  /** Told of every secret when it is fetched, with its key. */
  onSecret?(name: string, value: string): void;
}

export type Flags = Readonly<Partial<Record<ConfigKey | "config", string | undefined>>>;

/** Loads the configuration. Throws one Fault, code "config", for everything that is wrong with it. */
export function loadConfig(options: LoadOptions): Config {
  const problems: Problem[] = [];
  const home = homeOf(options, problems);
  const found = findFile(options, home);
  const { file } = found;
  const { values, origins } = readKeys(options, home, file, problems);
  checkVariables(options.vars, problems);
  const sections = file ? readSections(file, values, origins, problems) : [];
  const schedules = file ? readSchedules(file, problems) : [];
  const handlers = file ? readFileHandlers(file, problems) : [];
  const budgets = file ? readFileBudgets(file, problems) : [];
  const quotas = file ? readFileQuotas(file, problems) : new Map<string, QuotaAmounts>();
  const isolations = file ? readFileIsolations(file, problems) : [];
  const secrets = file ? readFileSecrets(file, problems) : [];
  checkLockPlugin(values, origins, problems);
  if (problems.length > 0) throw configFault(problems);
  const source = sourceOf(options, file);
  return frozen({
    ...grouped(values),
    file: found.path,
    passedOver: found.passedOver,
    searched: found.searched,
    schedules,
    handlers,
    budgets,
    quotas,
    isolations,
    secrets,
    sections,
    values,
    origin: (key: ConfigKey) => origins[key],
    webhook: () => webhookOf(values, origins, source),
    ...pluginLookups(sections, source, file),
    secretOf: (owner: string, name: string) => secretOf(secrets, { owner, name }, source),
  });
}

/** What is relative in the file is meant from there; without a file, from the current folder. */
function sourceOf({ vars, cwd, userHome, onSecret }: LoadOptions, file: TomlFile | null): Source {
  return { vars, place: { folder: file?.folder ?? cwd, userHome }, ...(onSecret && { onSecret }) };
}

function webhookOf(values: ConfigValues, origins: Origins, source: Source): ReturnType<Config["webhook"]> {
  const valueOf = (name: "webhook.url" | "webhook.secret") =>
    fetched(values[name], { name, where: origins[name].where }, source);
  const url = valueOf("webhook.url");
  if (url === "") return null;
  if (isWebAddress(url)) return { url, secret: valueOf("webhook.secret") || null };
  const { where } = origins["webhook.url"];
  throw configFault([
    {
      where,
      message: "What webhook.url refers to is no web address.",
      hint: "Write it like https://example.org/hook.",
    },
  ]);
}

function grouped(
  values: ConfigValues,
): Pick<Config, "home" | "serve" | "log" | "pulse" | "retention" | "locks" | "plugin" | "fetch" | "people"> {
  return {
    home: values.home,
    serve: { port: values["serve.port"], host: values["serve.host"], graceMs: values["serve.grace"] },
    log: { level: values["log.level"], format: values["log.format"] },
    pulse: { workers: values["pulse.workers"], napMs: values["pulse.nap"] },
    retention: {
      jobs: {
        completedMs: values["retention.completed"],
        completedMax: values["retention.completed_jobs"],
        failedMs: values["retention.failed"],
        failedMax: values["retention.failed_jobs"],
      },
      ledgerMs: values["retention.ledger"],
      auditMs: values["retention.audit"],
      eventsMs: values["retention.events"],
    },
    locks: lockKeeper(values),
    plugin: {
      enabled: values["plugin.enabled"],
      paths: values["plugin.paths"],
      startupMs: values["plugin.startup"],
      describeMs: values["plugin.describe"],
      runMs: values["plugin.run"],
      cleanupMs: values["plugin.cleanup"],
      bundled: values["plugin.bundled"],
    },
    people: peopleOf(values),
    fetch: {
      allowed: values["fetch.allowed_private_addresses"].flatMap((text) => parseIpRange(text) ?? []),
    },
  };
}

function peopleOf(values: ConfigValues): Config["people"] {
  const [schedules, scheduleWritesPerMinute] = [
    values["people.schedules"],
    values["people.schedule_writes_per_minute"],
  ];
  if (schedules === 0 && scheduleWritesPerMinute === 0) return {};
  return {
    quota: {
      schedules: schedules || UNLIMITED,
      scheduleWritesPerMinute: scheduleWritesPerMinute || UNLIMITED,
    },
  };
}

function pluginLookups(
  sections: readonly PluginSection[],
  source: Source,
  file: TomlFile | null,
): Pick<
  Config,
  "pluginArgs" | "pluginAddress" | "pluginGrant" | "pluginSecrets" | "pluginWhere" | "pluginConfig"
> {
  const sectionOf = (name: string) => sections.find((section) => section.name === name);
  return {
    pluginArgs: (name) => sectionOf(name)?.args ?? [],
    pluginAddress: (name) => sectionOf(name)?.address ?? null,
    pluginGrant: (name) => sectionOf(name)?.grant ?? [],
    pluginSecrets: (name) => new Set(secretKeys(sectionOf(name)?.values ?? {})),
    pluginWhere: (name, key) => sectionOf(name)?.where(key) ?? file?.name ?? "qntx.toml",
    pluginConfig(name) {
      const section = sectionOf(name);
      return section ? resolveValues(section, source) : {};
    },
  };
}

/** Freezes a value and everything in it. */
function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) frozen(part);
  return value;
}
