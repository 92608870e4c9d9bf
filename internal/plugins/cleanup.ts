/**
 * Cleanup: the call in which a plugin lets go of what it holds, before it is told
 * to end. It never fails: what goes wrong is said, and the end goes on.
 */
import { status } from "@grpc/grpc-js";
import type { Millis } from "../base/env.ts";
import { BUDGETED_CALLS, configuredBudget, overBudget } from "../plugin/budget.ts";
import { answerText, type Connection } from "./connection.ts";
import type { Warn } from "./guard.ts";

/** Why it is called: the plugin alone ends, the host does, or the plugin's start came to nothing. */
export type CleanupReason = "stopped" | "shutdown" | "failed";

/** Calls Cleanup and waits for it, but not longer than its budget. */
export async function cleanUp(
  connection: Connection,
  about: { plugin: string; reason: CleanupReason; budgetMs: Millis; warn: Warn },
): Promise<void> {
  const { plugin, reason, budgetMs, warn } = about;
  const answer = await connection.cleanup(reason, budgetMs);
  if (answer.ok || answer.code === status.UNIMPLEMENTED) return;
  if (answer.code !== status.DEADLINE_EXCEEDED)
    return warn(`Plugin ${plugin} failed to clean up: ${answerText(answer)}.`);
  const budget = configuredBudget("cleanup", budgetMs);
  warn(overBudget({ plugin, call: BUDGETED_CALLS.cleanup, budget, became: "was cut off" }));
}
