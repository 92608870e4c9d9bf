/**
 * Keys: every key of the configuration, in one table: its kind, its default, and
 * a sentence. Loading, `config show` and the documents are made from it.
 *
 * A key `serve.port` is `port` under `[serve]` in qntx.toml, QNTX_SERVE_PORT in
 * the environment, and an option where a command offers one. A flag wins over
 * the environment, the environment over the file, the file over the default.
 */
import {
  addresses,
  boolean,
  duration,
  folder,
  folders,
  integer,
  type Kind,
  loopback,
  names,
  oneOf,
  word,
} from "./kinds.ts";
import { reference, webAddress } from "./references.ts";

export interface Key<T> {
  readonly kind: Kind<T>;
  /** As it would be written in qntx.toml. Relative paths are meant from the data folder. */
  readonly fallback: unknown;
  /** One sentence for the documents. */
  readonly summary: string;
  /** The option that sets it, where that is not the key's last word. */
  readonly flag?: string;
  /** False for the one key that the file cannot say, because it is looked for there. */
  readonly inFile?: false;
}

/** A plugin's name as it may stand in brackets; internal/plugin says what else a name must be. */
export const PLUGIN_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Plugins inside the binary; each may have a section without being enabled by name. */
export const BUNDLED_PLUGINS = ["python", "script", "ixgest", "ix-json", "redis-lock"] as const;

const WORKERS_MAX = 10_000; // Above this, jobs wait for each other's memory instead of in the queue.

function key<T>(definition: Key<T>): Key<T> {
  return definition;
}

export const KEYS = {
  home: key({
    kind: folder,
    fallback: "~/.qntx",
    inFile: false,
    summary: "The data folder: the database, plugins, sockets and logs.",
  }),
  "serve.port": key({
    kind: integer(0, 65_535),
    fallback: 8877,
    summary: "Port of the panel and the HTTP API; 0 takes a free one.",
  }),
  "serve.host": key({
    kind: loopback,
    fallback: "127.0.0.1",
    summary: "Address that the panel and the HTTP API listen on; only this machine's own for now.",
  }),
  "serve.grace": key({
    kind: duration("0s", "1h"),
    fallback: "20s",
    summary: "How long running jobs may go on when the host is asked to end.",
  }),
  "log.level": key({
    kind: oneOf("debug", "info", "warn", "error"),
    fallback: "info",
    summary: "The least important line that is written.",
  }),
  "log.format": key({
    kind: oneOf("text", "json"),
    fallback: "text",
    summary: "How a line is written: for people, or one JSON object each.",
  }),
  "pulse.workers": key({
    kind: integer(1, WORKERS_MAX),
    fallback: 1_000,
    summary: "Jobs that run at once, all plugins together.",
  }),
  "pulse.nap": key({
    kind: duration("10ms", "1s"),
    fallback: "1s",
    summary: "Longest sleep of the ticker; each time it wakes, it compares the clocks.",
  }),
  "locks.provider": key({
    kind: word(PLUGIN_NAME, 'the name of a plugin, "store" or "none"'),
    fallback: "store",
    summary:
      "Who says which node runs an occurrence: this store, a plugin for hosts that share no store, or none.",
  }),
  "retention.completed": key({
    kind: duration("1h", "36500d"),
    fallback: "7d",
    summary: "How long completed jobs are kept, with what they said; the last run of a schedule for ever.",
  }),
  "retention.completed_jobs": key({
    kind: integer(1_000, 1_000_000_000),
    fallback: 1_000_000,
    summary: "And never more of them than are among so many of the newest jobs.",
  }),
  "retention.failed": key({
    kind: duration("1h", "36500d"),
    fallback: "90d",
    summary: "How long failed and cancelled jobs are kept, with what they said.",
  }),
  "retention.failed_jobs": key({
    kind: integer(1_000, 1_000_000_000),
    fallback: 10_000_000,
    summary: "And never more of them than are among so many of the newest jobs.",
  }),
  "retention.ledger": key({
    kind: duration("1d", "36500d"),
    fallback: "90d",
    summary:
      "How long rows of the fire ledger are kept; one whose job has ended later is kept as long as that.",
  }),
  "retention.audit": key({
    kind: duration("1d", "36500d"),
    fallback: "365d",
    summary: "How long the audit trail is kept.",
  }),
  "retention.events": key({
    kind: duration("1d", "36500d"),
    fallback: "90d",
    summary: "How long events are kept; of those, the newest hundred thousand.",
  }),
  "plugin.enabled": key({
    kind: names(PLUGIN_NAME, "a list of different plugin names (small letters, digits, dashes)"),
    fallback: [],
    summary: "Plugins to start, besides the bundled ones.",
  }),
  "plugin.paths": key({
    kind: folders,
    fallback: ["plugins"],
    summary: "Folders in which plugins are looked for, in this order.",
  }),
  "plugin.startup": key({
    kind: duration("100ms", "10m"),
    fallback: "30s",
    summary: "How long the workers wait for a plugin that is starting.",
  }),
  "plugin.describe": key({
    kind: duration("100ms", "10m"),
    fallback: "10s",
    summary: "Budget of Describe: how long a plugin may take to say what it is and what it schedules.",
  }),
  "plugin.run": key({
    kind: duration("1s", "7d"),
    fallback: "5m",
    summary: "Budget of a run: how long a job may take where neither it, its schedule nor its handler says.",
  }),
  "plugin.cleanup": key({
    kind: duration("100ms", "10m"),
    fallback: "5s",
    summary: "Budget of Cleanup: how long a plugin that is stopped may take to let go of what it holds.",
  }),
  "plugin.bundled": key({
    kind: boolean,
    fallback: true,
    summary: "Whether the plugins inside the binary are started.",
  }),
  "people.schedules": key({
    kind: integer(0, 1_000_000),
    fallback: 0,
    summary: "Schedules that people may have, not deleted, all of them together; 0 for any number.",
  }),
  "people.schedule_writes_per_minute": key({
    kind: integer(0, 100_000),
    fallback: 0,
    summary: "Changes of schedules that people may make within any minute; 0 for any number.",
  }),
  "fetch.allowed_private_addresses": key({
    kind: addresses,
    fallback: [],
    summary: "What plugins with cap:http.fetch may fetch although it is not on the public internet.",
  }),
  "webhook.url": key({
    kind: webAddress,
    fallback: "",
    summary: "Where events are sent; empty for nowhere.",
  }),
  "webhook.secret": key({
    kind: reference,
    fallback: "",
    summary: "Signs what is sent; empty for no signature.",
  }),
} as const;

export type ConfigKey = keyof typeof KEYS;

/** The type of each key's value. */
export type ConfigValues = {
  readonly [K in ConfigKey]: (typeof KEYS)[K] extends Key<infer T> ? T : never;
};

/** All keys, in the order of the table. */
export function configKeys(): readonly ConfigKey[] {
  return Object.keys(KEYS).filter(isConfigKey);
}

/** True for a word that is a key. */
export function isConfigKey(word: string): word is ConfigKey {
  return Object.hasOwn(KEYS, word);
}

/** Sections of qntx.toml that are ours: `serve`, `log` and so on. */
export function ownSections(): readonly string[] {
  const sections = configKeys().flatMap((name) =>
    name.includes(".") ? [name.slice(0, name.indexOf("."))] : [],
  );
  return [...new Set(sections)];
}

/** `serve.port` → `QNTX_SERVE_PORT`. */
export function variableOf(name: ConfigKey): string {
  return `QNTX_${name.toUpperCase().replaceAll(".", "_")}`;
}

/** `serve.port` → `--port`. */
export function flagOf(name: ConfigKey): string {
  const { flag }: Key<unknown> = KEYS[name];
  return flag ?? `--${name.slice(name.indexOf(".") + 1)}`;
}
