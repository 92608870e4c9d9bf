/** `qntx plugin enable NAME` and `plugin disable NAME`: on or off for good, over restarts of the host. */
import type { pluginEnable as operation } from "../../../../internal/operations/plugin-install.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { EXIT } from "../../exit.ts";
import { pluginSentence, startCode } from "./describe.ts";
import { pluginArg } from "./which.ts";

const switchOf = (verb: "enable" | "disable", details: string, why: string) =>
  command({
    details,
    args: { name: pluginArg },
    examples: [{ line: `qntx plugin ${verb} poller`, why }],
    async run({ args: { name }, world, globals, out }) {
      await using client = await openClient(world, globals);
      const now = await client.call<OutputOf<typeof operation>>(`plugin.${verb}`, { name });
      const beside = `Plugin ${name} ${now.enabled ? "starts" : "does not start"} with the host.`;
      out.data(now, now.plugin ? pluginSentence(now.plugin) : beside);
      return now.plugin && now.enabled ? startCode(now.plugin) : EXIT.ok;
    },
  });

export const pluginEnable = switchOf("enable", "Its jobs run again.", "its jobs run again");
export const pluginDisable = switchOf(
  "disable",
  "It ends and does not start again, also when the host does, until it is enabled. Its jobs wait.",
  "its jobs wait",
);
