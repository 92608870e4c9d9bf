/** `qntx plugin history NAME`: what became of an installed plugin, newest first. */
import type { pluginHistory as operation } from "../../../../internal/operations/plugin-install.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { whenShown } from "../../facts.ts";
import { pageArgs, printList } from "../../paging.ts";
import { pluginArg } from "./which.ts";

const COLUMNS = ["at", "change", "by", "sha-256", "file"].map((title) => ({ title }));

export const pluginHistory = command({
  args: { name: pluginArg, ...pageArgs },
  examples: [{ line: "qntx plugin history poller", why: "to which version it can go back" }],
  async run({ args: { name, ...page }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const history = await client.call<OutputOf<typeof operation>>("plugin.history", { name, ...page });
    printList(out, history, {
      columns: COLUMNS,
      rows: () =>
        history.entries.map(({ at, change, by, digest, file }) => [
          whenShown(out, at),
          change,
          by,
          digest.slice(0, 16),
          file,
        ]),
      empty: "Nothing became of it.",
      cursor: history.cursor,
    });
  },
});
