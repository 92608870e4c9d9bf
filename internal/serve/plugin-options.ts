/** What the plugin host is told: from the configuration to its options. */
import type { Grants } from "../access/grants.ts";
import type { Quotas } from "../access/quotas.ts";
import type { Tokens } from "../access/tokens.ts";
import type { Config } from "../config/config.ts";
import type { FindOptions } from "../plugins/find.ts";
import type { PluginsOptions } from "../plugins/plugins.ts";
import type { Registry } from "../pulse/registry.ts";
import { writePythonSdk } from "./python-sdk.ts";
import type { LiveConfig } from "./live-config.ts";
import type { ServeOptions } from "./serve.ts";

/** The plugins inside the binary that every host starts, in the order in which they stand for a name. */
const BUNDLED_PLUGINS = ["python", "script", "ixgest", "ix-json"] as const;

/** The one that is started where it keeps the locks, or is enabled by name. */
const BUNDLED_LOCKS = "redis-lock";

interface Parts {
  registry: Registry;
  tokens: Tokens;
  grants: Grants;
  quotas: Quotas;
  endpoint: PluginsOptions["endpoint"];
  /** What counts for plugins now. */
  live: LiveConfig;
  enqueue: PluginsOptions["enqueue"];
}

/** Everything but what concerns declared schedules and events. */
export function pluginOptions(
  { env, log, redactor, config, self, version }: ServeOptions,
  { registry, tokens, grants, quotas, enqueue, endpoint, live }: Parts,
): Omit<PluginsOptions, "declare" | "openServices"> {
  const { startupMs, describeMs, cleanupMs } = config.plugin;
  return {
    env,
    log,
    redactor,
    registry,
    home: config.home,
    hostVersion: version,
    enabled: config.plugin.enabled,
    find: {
      paths: config.plugin.paths,
      bundled: bundledPlugins(config),
      get sections() {
        return sectionsOf(live.now);
      },
      self,
    },
    isolations: config.isolations,
    limits: { startupMs, describeMs, cleanupMs },
    pythonPath: writePythonSdk(config.home),
    issueToken: (holder) => tokens.issue(holder),
    revokeToken: (token) => tokens.revoke(token),
    capabilitiesOf: (plugin) => grants.of(plugin),
    enqueue,
    quotaOf: (plugin) => quotas.of(plugin),
    endpoint,
    configOf: (name) => live.now.pluginConfig(name),
    secretsOf: (name) => live.now.pluginSecrets(name),
  };
}

/** Asked at each start of a plugin, because they may change while the host runs. */
function sectionsOf(config: Config): FindOptions["sections"] {
  const sections = config.sections.map(({ name }) => {
    const address = config.pluginAddress(name);
    return [name, { args: config.pluginArgs(name), ...(address === null ? {} : { address }) }] as const;
  });
  return Object.fromEntries(sections);
}

/** Those inside the binary that are started here. */
function bundledPlugins({ plugin, locks }: Config): string[] {
  const wantsLocks =
    plugin.enabled.includes(BUNDLED_LOCKS) || (typeof locks === "object" && locks.plugin === BUNDLED_LOCKS);
  return [...(plugin.bundled ? BUNDLED_PLUGINS : []), ...(wantsLocks ? [BUNDLED_LOCKS] : [])];
}
