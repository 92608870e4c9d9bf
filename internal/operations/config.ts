/** What can be done with the configuration of a running host. */
import { z } from "zod";
import type { ConfigReloaded } from "./operation.ts";
import { operation } from "./operation.ts";
import { viewPlugin, type PluginView } from "./plugin.ts";

export const configReload = operation({
  name: "config.reload",
  summary: "Read the configuration again and give plugins what is theirs",
  needsHost: true,
  changes: true,
  input: z.strictObject({}),
  async run({ host, store }): Promise<ReloadView> {
    if (!host) throw new Error("an operation that needs a host ran without one");
    const { restarted, added, quotas, ...rest } = await host.reload();
    for (const name of rest.removed) await store.watchers.declare(name, []);
    const view = (plugins: ConfigReloaded["added"]) => plugins.map((status) => viewPlugin(host, status));
    const plugins = host.plugins.statuses();
    return {
      ...rest,
      quotas: quotas.filter((name) => plugins.some((plugin) => plugin.name === name)),
      restarted: view(restarted),
      added: view(added),
    };
  },
});

/** What came of it, as it is shown. */
export interface ReloadView extends Omit<ConfigReloaded, "restarted" | "added"> {
  restarted: PluginView[];
  added: PluginView[];
}
