/** `qntx budget unset SCOPE [LIMIT…]` takes limits of a budget away, or all of them. */
import { BUDGET_LIMIT_NAMES } from "../../../../internal/base/budget.ts";
import type { budgetUnset as operation } from "../../../../internal/operations/budget.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command, type Parse } from "../../command.ts";
import { scopeArg } from "./which.ts";

/** `cost-per-day`, as the option is written, is the limit `costPerDay`. */
const limit: Parse<string> = (text) =>
  text.replace(/^--/, "").replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

export const budgetUnset = command({
  details: "Jobs that waited for it go on at once. What was spent is forgotten.",
  args: {
    scope: scopeArg,
    limits: {
      type: "positional",
      required: false,
      repeat: true,
      parse: limit,
      valueHint: "LIMIT",
      complete: async () => BUDGET_LIMIT_NAMES.map((word) => ({ word, description: "" })),
      description: "Those that go (default all)",
    },
  },
  examples: [{ line: "qntx budget unset tenant:acme costPerDay", why: "the others stay" }],
  async run({ args: { scope, limits }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const input = { scope, ...(limits && limits.length > 0 && { limits }) };
    const { unset, ...answer } = await client.call<OutputOf<typeof operation>>("budget.unset", input);
    out.data({ ...answer, unset }, `Budget ${answer.scope} has no ${unset.join(" and no ")} any more.`);
  },
});
