/** `qntx plugin remove NAME` removes an installed plugin with all that it registered. */
import type { pluginRemove as operation } from "../../../../internal/operations/plugin-install.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command, yesArg } from "../../command.ts";
import { counted } from "../../layout.ts";
import { pluginArg } from "./which.ts";

export const pluginRemove = command({
  details: "Its schedules are deleted and its grants forgotten; its jobs, its ledger and its history stay.",
  args: { name: pluginArg, yes: yesArg },
  examples: [{ line: "qntx plugin remove demo --yes", why: "without being asked" }],
  async run({ args: { name, yes }, world, globals, out }) {
    await out.confirm(`Remove the plugin ${name} and its schedules?`, yes);
    await using client = await openClient(world, globals);
    const removed = await client.call<OutputOf<typeof operation>>("plugin.remove", { name });
    const schedules = removed.schedules > 0 ? `, with ${counted(removed.schedules, "schedule")}` : "";
    out.data(removed, `Plugin ${removed.name} is removed${schedules}.`);
  },
});
