/** `qntx plugin restart NAME` restarts a plugin; lifts a quarantine. */
import type { PluginView } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { pluginSentence, startCode } from "./describe.ts";
import { pluginArg } from "./which.ts";

export const pluginRestart = command({
  args: { name: pluginArg },
  examples: [{ line: "qntx plugin restart python", why: "after its program was changed" }],
  async run({ args: { name }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const plugin = await client.call<PluginView>("plugin.restart", { name });
    out.data(plugin, pluginSentence(plugin));
    return startCode(plugin);
  },
});
