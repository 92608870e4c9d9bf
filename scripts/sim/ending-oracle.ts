/**
 * Ending oracle: what becomes of a job when an attempt of it ends, worked out anew: how
 * many tries are spent, when it runs next by its policy and by what its plugin asked,
 * what it cost, and that it was given as much time as it may take.
 */
import type { Millis } from "../../internal/base/env.ts";
import { type RetryPolicy } from "../../internal/base/retry.ts";
import { isFinished, JOB_LOST_MAX, JOB_SNOOZES_MAX } from "../../internal/job/job.ts";
import type { Outcome } from "../../internal/job/outcome.ts";
import type { AttemptRecord } from "./attempts.ts";
import { HANDLERS_SAID, HANDLER_TIMEOUT_MS } from "./characters.ts";
import { resultOf } from "./course.ts";
import type { JobRecord } from "./journal.ts";

const TIMER_LATE_MS: Millis = 50;
const TRIES_USUAL = 3;
const RETRY_USUAL: RetryPolicy = { kind: "exponential", baseMs: 2_000, maxMs: 600_000 };

/** Why an ending does not explain how a job changed; null when it does. */
export function complaintAboutEnding(
  before: JobRecord,
  after: JobRecord,
  ending: Outcome,
  heardAt: Millis | null,
): string | null {
  if (before.cancelRequested && !isFinished(after.state)) return "its cancellation was forgotten";
  if (before.cancelRequested && after.state === "cancelled") return null;
  const spent = after.attempt - before.attempt;
  const goes = (state: string, tries: number, waitMs?: [Millis, Millis]) => {
    if (after.state !== state || (!isFinished(after.state) && spent !== tries))
      return `"${ending.kind}" should make it ${state} with ${before.attempt + tries} tries, not ${after.state} with ${after.attempt}`;
    return waitMs && heardAt !== null ? complaintAboutWait(after.runAt - heardAt, waitMs) : null;
  };
  switch (ending.kind) {
    case "completed":
      if (after.result !== (ending.result && resultOf(before.token, before.fence)))
        return "it has a foreign result";
      return goes("completed", 0);
    case "failed":
      if (ending.permanent || before.attempt >= (before.maxAttempts ?? 0)) return goes("failed", 0);
      return goes("retrying", 0, waitOf(before, ending.retryAfterMs));
    case "snoozed":
      if (before.snoozed >= JOB_SNOOZES_MAX) return goes("failed", 0);
      if (after.snoozed !== before.snoozed + 1) return `it snoozed ${after.snoozed} times`;
      return goes("scheduled", -1, [ending.delayMs, ending.delayMs]);
    case "disowned":
    case "returned":
      return goes("queued", -1);
    case "cancelled":
      return goes("cancelled", 0);
    case "lost": {
      const lost = before.lost + (ending.alone ? 1 : 0);
      if (after.lost !== lost) return `it was lost ${lost} times, not ${after.lost}`;
      if (lost > JOB_LOST_MAX) return goes("failed", 0);
      return goes(lost <= 1 ? "queued" : "retrying", -1) ?? (after.suspect === 1 ? null : "it is no suspect");
    }
  }
}

/** What is wrong with how many tries a job was given at a claim; null when nothing is. */
export function complaintAboutTries(
  before: JobRecord | undefined,
  { handler, maxAttempts }: JobRecord,
): string | null {
  const tries = before?.maxAttempts ?? HANDLERS_SAID.get(handler)?.maxAttempts ?? TRIES_USUAL;
  return maxAttempts === tries ? null : `it may have ${maxAttempts} tries, not ${tries}`;
}

/** What is wrong with the time that an attempt took; null when nothing is. `steady` when its host was awake all the time. */
export function complaintAboutTime(
  record: AttemptRecord,
  job: JobRecord | undefined,
  { now, steady }: { now: Millis; steady: boolean },
): string | null {
  const { startedAt, abortedAt, reason, handler } = record;
  const budgetMs = job?.timeoutMs ?? HANDLERS_SAID.get(handler)?.timeoutMs ?? HANDLER_TIMEOUT_MS;
  const tookMs = (abortedAt ?? now) - startedAt;
  if (reason === "timeout" && tookMs < budgetMs)
    return `it was told to end after ${tookMs} of ${budgetMs} ms`;
  if (steady && tookMs > budgetMs + TIMER_LATE_MS) return `it took ${tookMs} ms and may take ${budgetMs}`;
  return null;
}

function complaintAboutWait(waitMs: Millis, [least, most]: [Millis, Millis]): string | null {
  if (waitMs >= least && waitMs <= most) return null;
  return `it waits ${waitMs} ms, and should wait from ${least} to ${most}`;
}

/** How long a job waits after a failed try: from, to. */
function waitOf({ retry, attempt, handler }: JobRecord, retryAfterMs: Millis): [Millis, Millis] {
  const own = retry === null ? null : (JSON.parse(retry) as RetryPolicy);
  const policy = own ?? HANDLERS_SAID.get(handler)?.retry ?? RETRY_USUAL;
  const [least, most] = spanOf(policy, attempt);
  return [Math.max(retryAfterMs, least), Math.max(retryAfterMs, most)];
}

function spanOf(policy: RetryPolicy, attempt: number): [Millis, Millis] {
  if (policy.kind === "list") {
    const ms = policy.delaysMs[attempt - 1] ?? policy.delaysMs.at(-1) ?? 0;
    return [ms, ms];
  }
  const { kind, baseMs, maxMs } = policy;
  const growth = kind === "fixed" ? 1 : kind === "linear" ? attempt : 2 ** (attempt - 1);
  const ms = Math.min(kind === "fixed" ? baseMs : maxMs, baseMs * growth);
  return kind === "exponential" ? [Math.floor(ms * 0.875), Math.ceil(ms * 1.125)] : [ms, ms];
}
