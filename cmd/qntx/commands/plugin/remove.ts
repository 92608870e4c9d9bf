/** `qntx plugin remove NAME` removes an installed plugin with all that it registered. */
import type { pluginRemove as operation } from "../../../../internal/operations/plugin-install.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command, yesArg } from "../../command.ts";
import { counted } from "../../layout.ts";
import { pluginArg } from "./which.ts";

export const pluginRemove = command({
  details:
    "Its schedules are deleted and its grants forgotten; its jobs, its ledger and its history stay. So does what it stored, for a plugin that is installed under its name for the same tenant, unless --delete-storage is given.",
  args: {
    name: pluginArg,
    "delete-storage": { type: "boolean", description: "Delete what it stored, too" },
    yes: yesArg,
  },
  examples: [
    { line: "qntx plugin remove demo --yes", why: "without being asked" },
    { line: "qntx plugin remove demo --delete-storage --yes", why: "nothing of it shall be found again" },
  ],
  async run({ args: { name, yes, "delete-storage": deleteStorage }, world, globals, out }) {
    const what = deleteStorage ? ", its schedules and what it stored" : " and its schedules";
    await out.confirm(`Remove the plugin ${name}${what}?`, yes);
    await using client = await openClient(world, globals);
    const removed = await client.call<OutputOf<typeof operation>>("plugin.remove", { name, deleteStorage });
    const schedules = removed.schedules > 0 ? `, with ${counted(removed.schedules, "schedule")}` : "";
    const kept =
      removed.storedKeys > 0 ? ` What it stored is kept: ${counted(removed.storedKeys, "key")}.` : "";
    out.data(removed, `Plugin ${removed.name} is removed${schedules}.${kept}`);
  },
});
