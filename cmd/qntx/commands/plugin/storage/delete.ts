/** `qntx plugin storage delete NAME KEY` deletes what a plugin stores under a key. */
import type { pluginStorageDelete as operation } from "../../../../../internal/operations/plugin-storage.ts";
import type { OutputOf } from "../../../../../internal/operations/operation.ts";
import { openClient } from "../../../client.ts";
import { command, yesArg } from "../../../command.ts";
import { keyArg, roomArgs } from "./room.ts";

export const pluginStorageDelete = command({
  details: "The plugin is not told. All that it stores goes with: qntx plugin remove NAME --delete-storage",
  args: { ...roomArgs, key: keyArg, yes: yesArg },
  examples: [{ line: "qntx plugin storage delete poller cursor --yes", why: "it begins anew" }],
  async run({ args: { yes, ...args }, world, globals, out }) {
    await out.confirm(`Delete what ${args.name} stores under ${args.key}?`, yes);
    await using client = await openClient(world, globals);
    const deleted = await client.call<OutputOf<typeof operation>>("plugin.storageDelete", args);
    out.data(deleted, `Plugin ${args.name} stores nothing under ${deleted.key} any more.`);
  },
});
