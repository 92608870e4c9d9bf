/**
 * Budget: how long a plugin may take for one of the calls of its life, and who
 * says so. Whatever takes longer is stopped, and the sentence names all of it.
 */
import { formatDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";

export interface Budget {
  ms: Millis;
  /** Where it is set: `plugin.run in qntx.toml`, `the timeout of its schedule`. */
  setBy: string;
}

/** The calls that have one, as they are told. */
export const BUDGETED_CALLS = { describe: "Describe", run: "the run", cleanup: "Cleanup" } as const;

/** The budget of a call as the configuration has it. */
export function configuredBudget(call: keyof typeof BUDGETED_CALLS, ms: Millis): Budget {
  return { ms, setBy: `plugin.${call} in qntx.toml` };
}

/** Plugin slow: Describe took longer than its budget of 10s (plugin.describe in qntx.toml) and was cut off. */
export function overBudget(about: { plugin: string; call: string; budget: Budget; became: string }): string {
  const { plugin, call, budget, became } = about;
  const length = formatDuration(budget.ms);
  return `Plugin ${plugin}: ${call} took longer than its budget of ${length} (${budget.setBy}) and ${became}.`;
}
