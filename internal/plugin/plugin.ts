/**
 * Plugin: somebody else's program that offers handlers. The words here are the
 * states that every face shows; `internal/plugins` makes them happen.
 *
 *   starting → ready → stopping → stopped
 *       │        │
 *       ├──► late (past the start-up deadline, still trying; becomes ready)
 *       └──► failed ⇄ starting (backoff) … quarantined (too many crashes)
 */
import type { PluginEndpoint } from "../access/principal.ts";
import type { ServiceWord } from "./service.ts";
import type { Rate } from "../base/rate.ts";
import type { RetryPolicy } from "../base/retry.ts";
import type { Isolation } from "./isolation.ts";

export const PLUGIN_STATES = [
  "starting",
  "late",
  "ready",
  "unresponsive",
  "failed",
  "quarantined",
  "conflict",
  "stopping",
  "stopped",
  "disabled",
] as const;
export type PluginState = (typeof PLUGIN_STATES)[number];

/** How a plugin's program is started. */
export type PluginKind = "executable" | "typescript" | "python" | "bundled" | "address";

/** Names are folders, log files and URL segments. */
export const PLUGIN_NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Reserved because `/api/<plugin>` belongs to plugins. */
export const PLUGIN_NAMES_RESERVED: readonly string[] = ["v1", "pulse", "plugins", "openapi.json"];

/** Handlers are announced as `python.script`, `ix-json.poll`. */
export const HANDLER_NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$/;

/** Watchers are named by their plugin. */
export const WATCHER_ID_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$/;

export interface HandlerOptions {
  name: string;
  timeoutMs: number | null;
  maxAttempts: number | null;
  /** How long its jobs wait between tries, where they do not say; absent or null: as is usual. */
  retry?: RetryPolicy | null;
  /** Jobs of one concurrency key at once; null means one after the other. */
  concurrencyPerKey?: number | null;
  /** How many of its jobs start in how long; null means no limit. */
  rate?: Rate | null;
  /** How many of them at once; null means what falls into a tenth of a second. */
  burst?: number | null;
  /** Jobs of this handler at once; null means no limit but the plugin's. */
  concurrency: number | null;
  description: string;
}

/** What every face shows of a plugin. */
export interface PluginStatus {
  name: string;
  /** Whose it is; empty for the host's own. */
  tenant: string;
  kind: PluginKind;
  state: PluginState;
  /** Why it is in this state; empty when that is plain. */
  reason: string;
  /** True when it has failed, and is started again by itself. */
  startsAgain: boolean;
  pid: number | null;
  version: string;
  description: string;
  handlers: readonly string[];
  /** Its HTTP routes below `/api/<name>`, where it describes itself. */
  endpoints: readonly PluginEndpoint[];
  /** Handlers it announced that another plugin keeps. */
  conflicts: readonly string[];
  restarts: number;
  stream: boolean;
  running: number;
  concurrency: number;
  startedAt: number | null;
  /** Capabilities that it says it needs. */
  wants: readonly string[];
  /** What its process is held to. */
  isolation: Isolation;
  /** Services that it provides for other plugins. */
  provides: readonly ServiceWord[];
  /** The last lines that it printed. */
  lastLines: readonly string[];
}

/** True for one that has ended by itself, and waits for its next start or for a person. */
export function hasFailed({ state }: Pick<PluginStatus, "state">): boolean {
  return state === "failed" || state === "quarantined";
}
