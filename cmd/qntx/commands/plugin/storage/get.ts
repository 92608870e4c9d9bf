/** `qntx plugin storage get NAME KEY`: what a plugin stores under a key. */
import type { pluginStorageGet as operation } from "../../../../../internal/operations/plugin-storage.ts";
import type { OutputOf } from "../../../../../internal/operations/operation.ts";
import { openClient } from "../../../client.ts";
import { command } from "../../../command.ts";
import { jsonShown } from "../../../facts.ts";
import { keyArg, roomArgs } from "./room.ts";

export const pluginStorageGet = command({
  args: { ...roomArgs, key: keyArg },
  examples: [{ line: "qntx plugin storage get poller seen/2026-11", why: "the value, and nothing else" }],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const found = await client.call<OutputOf<typeof operation>>("plugin.storageGet", args);
    out.data(found, () => jsonShown(out, found.value));
  },
});
