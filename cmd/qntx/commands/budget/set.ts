/** `qntx budget set SCOPE` says what the jobs of a tenant, a plugin or a handler may cost, and how often they may start. */
import { RATE_COUNT_MAX } from "../../../../internal/base/rate.ts";
import type { budgetSet as operation } from "../../../../internal/operations/budget.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { amount, integer } from "../../values.ts";
import { scopeArg } from "./which.ts";

export const budgetSet = command({
  details:
    "Each window ends now and slides; a month is thirty days. When as much was spent, jobs wait until some of it\n" +
    "has left the window; those that run go on. Limits that are not given stay as they are.",
  args: {
    scope: scopeArg,
    costPerDay: { type: "string", valueHint: "N", parse: amount, description: "What they may cost in a day" },
    costPerWeek: { type: "string", valueHint: "N", parse: amount, description: "In seven days" },
    costPerMonth: { type: "string", valueHint: "N", parse: amount, description: "In thirty days" },
    callsPerMinute: {
      type: "string",
      valueHint: "N",
      parse: integer(1, RATE_COUNT_MAX),
      description: "How often they may start in a minute, each try counted",
    },
  },
  examples: [
    {
      line: "qntx budget set tenant:acme --cost-per-day 10 --cost-per-month 200",
      why: "the strictest counts",
    },
    { line: "qntx budget set plugin:python --calls-per-minute 100", why: "for all its handlers together" },
  ],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const budget = await client.call<OutputOf<typeof operation>>("budget.set", args);
    if (!out.json) budget.warnings.forEach((warning) => out.warn(warning));
    const limits = budget.limits.map(({ limit, amount: most }) => `${limit} ${most}`).join(", ");
    out.data(budget, `Budget ${budget.scope} is set: ${limits}.`);
  },
});
