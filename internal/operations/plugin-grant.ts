/** Granting and revoking: what a person says about single capabilities of a plugin. It holds from the plugin's next call on. */
import { z } from "zod";
import { CAPABILITY_NAMES, type Capability, parseCapability } from "../access/capability.ts";
import { principalName } from "../access/principal.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";
import { hasFailed, PLUGIN_NAME_PATTERN } from "../plugin/plugin.ts";
import { type Context, operation } from "./operation.ts";
import { type PluginView, viewPlugin } from "./plugin.ts";

const operationTo = (verb: "grant" | "revoke", summary: string) =>
  operation({
    name: `plugin.${verb}`,
    summary,
    changes: true,
    input: z.strictObject({
      name: z.string(),
      capabilities: z
        .array(z.string())
        .min(1, "is empty.")
        .max(CAPABILITY_NAMES.length, "names one capability several times."),
    }),
    async run(context, input) {
      const capabilities = input.capabilities.map(parseCapability);
      const plugin = await readPlugin(context, input.name);
      const by = principalName(context.principal);
      const before = context.host?.grants.of(plugin);
      for (const capability of capabilities) {
        const said = await context.store.grants.say({ plugin, capability, granted: verb === "grant", by });
        context.host?.grants.say(said);
      }
      if (verb === "revoke" && capabilities.some(isForWatchers))
        await context.store.watchers.declare(plugin, []);
      const isMore = verb === "grant" && capabilities.some((capability) => before?.has(capability) === false);
      if (isMore) context.host?.plugins.tellServices(); // What was taken away is refused, with how to get it, when it is called.
      return { name: plugin, capabilities, plugin: isMore ? await triedAgain(context, plugin) : null };
    },
  });

export const pluginGrant = operationTo("grant", "Let a plugin do what it may not do by itself");
export const pluginRevoke = operationTo("revoke", "Take away from a plugin what it may do");

export const pluginGrantOperations = [pluginGrant, pluginRevoke];

/** Who failed before it had this has most likely failed for that: what it says when it ends is in its own words. */
async function triedAgain({ host }: Context, name: string): Promise<PluginView | null> {
  const status = host?.plugins.statuses().find((plugin) => plugin.name === name);
  if (!host || !status || !hasFailed(status)) return null;
  const now = await host.plugins.restart(name);
  return now && viewPlugin(host, now);
}

/** A plugin that has lost one of these is handed no more attestations. */
function isForWatchers(capability: Capability): boolean {
  return capability === "cap:ats.read" || capability === "cap:queue.enqueue";
}

/** Beside a stopped host nobody knows which plugins there are. */
async function readPlugin({ host, store }: Context, name: string): Promise<string> {
  if (!PLUGIN_NAME_PATTERN.test(name))
    throw fieldFault("name", `${shown(name)} is not the name of a plugin.`, "qntx plugin list shows them.");
  if (!host) return name;
  const known = host.plugins.statuses().map((plugin) => plugin.name);
  if (known.includes(name) || (await store.grants.all()).some(({ plugin }) => plugin === name)) return name;
  const meant = nearest(name, known);
  throw new Fault("not-found", `There is no plugin ${shown(name)}.`, {
    hint: meant === undefined ? "qntx plugin list shows them." : `Did you mean ${meant}?`,
  });
}
