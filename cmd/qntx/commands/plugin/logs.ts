/** `qntx plugin logs NAME`: the lines that a plugin printed lately. */
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { pluginArg } from "./which.ts";

export const pluginLogs = command({
  args: { name: pluginArg },
  examples: [{ line: "qntx plugin logs python", why: "what it printed lately" }],
  async run({ args: { name }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const { lines } = await client.call<{ lines: string[] }>("plugin.logs", { name });
    out.data({ lines }, lines.join("\n"));
  },
});
