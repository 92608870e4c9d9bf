/** `qntx quota show [PLUGIN]`: how much of the host a plugin, or people, may take, and how much it has. */
import { formatAmount, UNLIMITED } from "../../../../internal/access/quota.ts";
import type { quotaShow as operation } from "../../../../internal/operations/quota.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { printList } from "../../paging.ts";
import { pluginArg } from "../plugin/which.ts";

const COLUMNS = [
  { title: "plugin" },
  { title: "limit" },
  { title: "used", align: "right" as const },
  { title: "allows", align: "right" as const },
  { title: "set by" },
];

export const quotaShow = command({
  args: {
    name: { ...pluginArg, required: false, description: "The plugin, or people; without one, all of them" },
  },
  examples: [{ line: "qntx quota show demo", why: "what is left to a plugin" }],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const list = await client.call<OutputOf<typeof operation>>("quota.show", args);
    printList(out, list, {
      columns: COLUMNS,
      rows: () =>
        [...(list.people ? [{ plugin: "people", ...list.people }] : []), ...list.quotas].flatMap(
          ({ plugin, limits }) =>
            limits.map(({ limit, used, allows, setBy }) => [
              plugin,
              limit,
              used === null ? "" : formatAmount(limit, used),
              formatAmount(limit, allows ?? UNLIMITED),
              setBy,
            ]),
        ),
      empty: "There are no plugins.",
    });
    if (!out.json) list.warnings.forEach((warning) => out.warn(warning));
  },
});
