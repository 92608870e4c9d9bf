/** What the plugin host is told: from the configuration to its options. */
import type { Grants } from "../access/grants.ts";
import type { Tokens } from "../access/tokens.ts";
import type { Config } from "../config/config.ts";
import type { PluginsOptions } from "../plugins/plugins.ts";
import type { Registry } from "../pulse/registry.ts";
import { writePythonSdk } from "./python-sdk.ts";
import type { ServeOptions } from "./serve.ts";

/** The plugins inside the binary that every host starts, in the order in which they stand for a name. */
const BUNDLED_PLUGINS = ["python", "script", "ixgest", "ix-json"] as const;

/** The one that is started where it keeps the locks, or is enabled by name. */
const BUNDLED_LOCKS = "redis-lock";

interface Parts {
  registry: Registry;
  tokens: Tokens;
  grants: Grants;
  endpoint: PluginsOptions["endpoint"];
}

/** Everything but what concerns declared schedules and events. */
export function pluginOptions(
  { env, log, config, self, version }: ServeOptions,
  { registry, tokens, grants, endpoint }: Parts,
): Omit<PluginsOptions, "declare"> {
  const { startupMs, describeMs, cleanupMs } = config.plugin;
  const sections = config.sections.map(({ name }) => {
    const address = config.pluginAddress(name);
    return [name, { args: config.pluginArgs(name), ...(address === null ? {} : { address }) }] as const;
  });
  return {
    env,
    log,
    registry,
    home: config.home,
    hostVersion: version,
    enabled: config.plugin.enabled,
    find: {
      paths: config.plugin.paths,
      bundled: bundledPlugins(config),
      sections: Object.fromEntries(sections),
      self,
    },
    limits: { startupMs, describeMs, cleanupMs },
    pythonPath: writePythonSdk(config.home),
    issueToken: (holder) => tokens.issue(holder),
    revokeToken: (token) => tokens.revoke(token),
    capabilitiesOf: (plugin) => grants.of(plugin),
    endpoint,
    configOf: (name) => config.pluginConfig(name),
  };
}

/** Those inside the binary that are started here. */
function bundledPlugins({ plugin, locks }: Config): string[] {
  const wantsLocks =
    plugin.enabled.includes(BUNDLED_LOCKS) || (typeof locks === "object" && locks.plugin === BUNDLED_LOCKS);
  return [...(plugin.bundled ? BUNDLED_PLUGINS : []), ...(wantsLocks ? [BUNDLED_LOCKS] : [])];
}
