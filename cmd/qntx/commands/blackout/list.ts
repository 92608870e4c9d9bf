/** `qntx blackout list`: the named blackouts. */
import type { blackoutList as operation } from "../../../../internal/operations/blackout.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { pageArgs, printList } from "../../paging.ts";

const COLUMNS = [
  { title: "name" },
  { title: "zone" },
  { title: "ranges", align: "right" as const },
  { title: "about" },
];

export const blackoutList = command({
  args: pageArgs,
  examples: [{ line: "qntx blackout list", why: "what schedules can observe" }],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const page = await client.call<OutputOf<typeof operation>>("blackout.list", args);
    printList(out, page, {
      columns: COLUMNS,
      rows: () =>
        page.blackouts.map(({ name, timezone, ranges, description }) => [
          name,
          timezone,
          String(ranges.length),
          description,
        ]),
      empty: "There are no named blackouts.",
      cursor: page.cursor,
    });
  },
});
