/** `qntx plugin show NAME`: all about one plugin. */
import type { PluginDetails } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { pluginFacts } from "./describe.ts";
import { pluginArg } from "./which.ts";

export const pluginShow = command({
  args: { name: pluginArg },
  examples: [{ line: "qntx plugin show python", why: "state, handlers, watchers, last lines" }],
  async run({ args: { name }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const plugin = await client.call<PluginDetails>("plugin.show", { name });
    out.data(plugin, () => pluginFacts(out, plugin));
  },
});
