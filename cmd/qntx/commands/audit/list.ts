/** `qntx audit list`: who did what, newest first; refused calls too. */
import type { auditList as operation } from "../../../../internal/operations/host.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { whenShown } from "../../facts.ts";
import { pageArgs, printList } from "../../paging.ts";

const COLUMNS = ["when", "who", "operation", "allowed", "subject", "detail"].map((title) => ({ title }));

export const auditList = command({
  args: pageArgs,
  examples: [{ line: "qntx audit list --limit 20", why: "the last twenty changes" }],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const page = await client.call<OutputOf<typeof operation>>("audit.list", args);
    printList(out, page, {
      columns: COLUMNS,
      rows: () =>
        page.entries.map(({ at, principal, operation, allowed, subject, detail, count }) => [
          whenShown(out, at),
          principal,
          operation,
          allowed ? "yes" : "no",
          subject,
          count > 1 ? `${detail} (And ${count - 1} more within a minute.)` : detail,
        ]),
      empty: "Nothing was changed yet.",
      cursor: page.cursor,
    });
  },
});
