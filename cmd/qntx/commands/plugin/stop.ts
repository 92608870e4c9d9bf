/** `qntx plugin stop NAME` stops a plugin until it is started again. */
import type { PluginView } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { pluginSentence } from "./describe.ts";
import { pluginArg } from "./which.ts";

export const pluginStop = command({
  args: { name: pluginArg },
  examples: [{ line: "qntx plugin stop python", why: "its jobs wait" }],
  async run({ args: { name }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const plugin = await client.call<PluginView>("plugin.stop", { name });
    out.data(plugin, pluginSentence(plugin));
  },
});
