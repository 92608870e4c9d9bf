/** `qntx budget list`: every budget, what was spent of it, and when it opens. */
import type { BudgetView } from "../../../../internal/operations/budget.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { printList } from "../../paging.ts";
import { opensShown } from "./which.ts";

const COLUMNS = [
  { title: "scope" },
  { title: "limit" },
  { title: "allows", align: "right" as const },
  { title: "spent", align: "right" as const },
  { title: "reserved", align: "right" as const },
  { title: "opens" },
];

export const budgetList = command({
  examples: [{ line: "qntx budget list", why: "who has how much left" }],
  async run({ world, globals, out }) {
    await using client = await openClient(world, globals);
    const list = await client.call<{ budgets: BudgetView[] }>("budget.list");
    printList(out, list, {
      columns: COLUMNS,
      rows: () =>
        list.budgets.flatMap(({ scope, limits }) =>
          limits.map((limit) => [
            scope,
            limit.limit,
            String(limit.amount),
            String(limit.spent),
            String(limit.reserved),
            opensShown(out, limit),
          ]),
        ),
      empty: "There are no budgets.",
    });
  },
});
