/** `qntx plugin start NAME` starts a plugin that was stopped. */
import type { PluginView } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { pluginSentence, startCode } from "./describe.ts";
import { pluginArg } from "./which.ts";

export const pluginStart = command({
  args: { name: pluginArg },
  examples: [{ line: "qntx plugin start python", why: "its jobs run again" }],
  async run({ args: { name }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const plugin = await client.call<PluginView>("plugin.start", { name });
    out.data(plugin, pluginSentence(plugin));
    return startCode(plugin);
  },
});
