/**
 * AttemptHeaders: what QNTX's messages have no field for, as headers beside them: who
 * does not know them does not see them. Headers are ASCII, so other characters are
 * written as %E2%82%AC.
 */
import { formatInstant } from "../base/instant.ts";
import type { Attempt } from "../pulse/executor.ts";

/** How the names of headers begin that are the host's own. */
export const HOST_PREFIX = "qntx-";

/** What an attempt is, why it runs and for which moment, by names that begin with `qntx-`. */
export function headersOf({ job }: Pick<Attempt, "job">): Record<string, string> {
  const facts = {
    attempt: job.attempt,
    "max-attempts": job.maxAttempts,
    trigger: job.trigger,
    tenant: job.tenant,
    "schedule-id": job.scheduleId,
    "declared-id": job.declaredId,
    occurrence: job.occurrence === null ? null : formatInstant(job.occurrence),
    "run-count": job.runCount,
    catchup: job.catchup ? "true" : null,
    traceparent: job.traceparent,
  };
  const said = Object.entries(facts).filter(([, value]) => value !== null && value !== "");
  return Object.fromEntries(said.map(([key, value]) => [HOST_PREFIX + key, asciiOf(String(value))]));
}

function asciiOf(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+|%/g, encodeURIComponent);
}
