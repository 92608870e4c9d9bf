/** `qntx budget show SCOPE`: its limits, and what was spent of each. */
import type { BudgetView } from "../../../../internal/operations/budget.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { factLines } from "../../facts.ts";
import { opensShown, scopeArg } from "./which.ts";

export const budgetShow = command({
  args: { scope: scopeArg },
  examples: [{ line: "qntx budget show tenant:acme", why: "what is left, and when there is more" }],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const budget = await client.call<BudgetView>("budget.show", args);
    const lines = budget.limits.map((limit) => {
      const opens = opensShown(out, limit);
      const reserved = limit.reserved > 0 ? `, ${limit.reserved} reserved` : "";
      const used = `${limit.spent} of ${limit.amount}${reserved}`;
      return [limit.limit, opens === "" ? used : `${used}; opens ${opens}`] as const;
    });
    const facts = factLines(out, [["budget", budget.scope], ["set by", budget.setBy], ...lines]);
    out.data(budget, facts);
  },
});
