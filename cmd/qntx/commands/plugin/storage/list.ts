/** `qntx plugin storage list NAME`: under which keys a plugin stores values. */
import type { pluginStorageList as operation } from "../../../../../internal/operations/plugin-storage.ts";
import type { OutputOf } from "../../../../../internal/operations/operation.ts";
import { openClient } from "../../../client.ts";
import { command } from "../../../command.ts";
import { whenShown } from "../../../facts.ts";
import { pageArgs, printList } from "../../../paging.ts";
import { roomArgs } from "./room.ts";

const COLUMNS = [
  { title: "key" },
  { title: "version", align: "right" as const },
  { title: "bytes", align: "right" as const },
  { title: "expires" },
];

export const pluginStorageList = command({
  details: "Also of a plugin that was removed: what it stored is there until it is deleted.",
  args: {
    ...roomArgs,
    prefix: { type: "string", valueHint: "TEXT", description: "Only keys that begin so" },
    ...pageArgs,
  },
  examples: [{ line: "qntx plugin storage list poller --prefix seen/", why: "what it remembers" }],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const list = await client.call<OutputOf<typeof operation>>("plugin.storageList", args);
    printList(out, list, {
      columns: COLUMNS,
      rows: () =>
        list.keys.map(({ key, version, size, expiresAt }) => [
          key,
          String(version),
          String(size),
          whenShown(out, expiresAt),
        ]),
      empty: args.prefix === undefined ? "It stores nothing." : "No key begins so.",
      cursor: list.cursor,
    });
  },
});
