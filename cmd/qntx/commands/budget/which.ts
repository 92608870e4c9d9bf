/** Which: the argument that names a budget, and how its limits are said. */
import type { LimitView } from "../../../../internal/operations/budget.ts";
import { whenShown } from "../../facts.ts";
import { budgetScopes } from "../../names.ts";
import type { Out } from "../../output.ts";

export const scopeArg = {
  type: "positional",
  valueHint: "SCOPE",
  complete: budgetScopes,
  description: "Whose it is: tenant:NAME, plugin:NAME or handler:NAME; tenant: for jobs of no tenant",
} as const;

/** When it has something left again; empty when it has. */
export function opensShown(out: Out, { closed, opensAt }: LimitView): string {
  if (!closed) return "";
  return opensAt === null ? "when a job that runs ends" : whenShown(out, opensAt);
}
