/**
 * Install: a plugin that was handed to this host by `plugin install`. Its program lies
 * in the data folder and is pinned by its digest; it may belong to a tenant. Plugins that
 * the configuration enables are found anew at every start and are no installs.
 */
import type { Millis } from "../base/env.ts";
import type { PluginKind } from "./plugin.ts";

/** How an install came to the program that it has. */
export const INSTALL_CHANGES = ["installed", "upgraded", "rolled-back", "removed"] as const;
export type InstallChange = (typeof INSTALL_CHANGES)[number];

/** What is started: where it lies is `installed/<name>/<digest>` in the data folder. */
export interface Program {
  digest: string;
  kind: Extract<PluginKind, "executable" | "typescript" | "python">;
  /** The file in its folder that is started. */
  entry: string;
  /** What was handed in, for people. */
  file: string;
}

export interface Install extends Program {
  /** Unique on this host; what every face calls it. */
  name: string;
  /** Whose it is; empty for the host's own. */
  tenant: string;
  at: Millis;
  by: string;
}

/** One line of what became of an install. */
export interface InstallEntry extends Program {
  change: InstallChange;
  at: Millis;
  by: string;
}

/** As plugins are named. */
export const TENANT_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;
