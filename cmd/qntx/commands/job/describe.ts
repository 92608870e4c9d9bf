/** Describe: a job in words. */
import { formatDuration } from "../../../../internal/base/duration.ts";
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { counted } from "../../layout.ts";
import { factLines, jsonShown, whenInFull, whenShown } from "../../facts.ts";
import type { Out } from "../../output.ts";

/** Where it stands, in a few words: "queued: waits for a free slot". */
export function stateShown({ state, waiting, progress }: JobView): string {
  if (waiting !== null) return `${state}: ${waiting}`;
  if (state !== "running" || progress === null) return state;
  return `running: ${progress.current}/${progress.total}${progress.message && ` ${progress.message}`}`;
}

/** What it cost, and what it was thought to. */
function costShown({ costActual, costEstimate }: JobView): string | null {
  if (costEstimate > 0) return `${costActual}, of ${costEstimate} that were estimated`;
  return costActual > 0 ? String(costActual) : null;
}

/** All of it. */
export function jobFacts(out: Out, job: JobView): string {
  return factLines(out, [
    ["id", job.id],
    ["state", stateShown(job)],
    ["cancel", job.cancelRequested && job.state === "running" ? "was asked for" : null],
    ["handler", job.handler],
    ["attempt", `${job.attempt} of ${job.maxAttempts}`],
    ["error", job.error && errorShown(job.error)],
    ["before", historyShown(out, job)],
    ["result", jsonShown(out, job.result)],
    ["payload", jsonShown(out, job.payload)],
    ["trigger", job.catchup ? `${job.trigger}, to catch up` : job.trigger],
    ["schedule", job.scheduleId],
    ["declared", job.declaredId],
    ["occurrence", whenInFull(out, job.occurrence)],
    ["run", job.runCount],
    ["created", whenInFull(out, job.createdAt)],
    ["due", job.runAt === job.createdAt ? null : whenInFull(out, job.runAt)],
    ["started", whenInFull(out, job.startedAt)],
    ["finished", whenInFull(out, job.finishedAt)],
    ["cost", costShown(job)],
    ["priority", job.priority === 0 ? null : job.priority],
    ["retry", job.retry],
    ["timeout", job.timeoutMs && formatDuration(job.timeoutMs)],
    ["lost", job.lost === 0 ? null : `${job.lost} times its process died`],
    ["interrupted", job.interrupted === 0 ? null : `${job.interrupted} times the host died`],
    ["snoozed", job.snoozed === 0 ? null : `${job.snoozed} times`],
    ["unique key", job.uniqueKey],
    ["unique until", whenInFull(out, job.uniqueUntil)],
    ["key", job.concurrencyKey],
    ["parent", job.parentId],
    ["waits for", job.waits === 0 ? null : counted(job.waits, "job")],
    ["wait policy", job.waitPolicy],
    ["child policy", job.childPolicy],
    ["retry of", job.retryOf],
    ["from", job.source],
    ["owner", job.owner],
    ["version", job.pluginVersion && versionShown(job)],
  ]);
}

/** The attempts before the last one, a line each. */
function historyShown(out: Out, { history, error }: JobView): string | null {
  const last = history.at(-1);
  const isShown = error !== null && last?.attempt === error.attempt && last.kind === error.kind;
  const past = isShown ? history.slice(0, -1) : history;
  if (past.length === 0) return null;
  return past
    .map(
      (one) =>
        `${whenShown(out, one.endedAt)} try ${one.attempt}: ${errorShown(one)}${one.pluginVersion === null ? "" : ` (${versionShown(one)})`}`,
    )
    .join("\n");
}

/** The version that a plugin says, and the file that it was. */
function versionShown({
  pluginVersion,
  pluginDigest,
}: Pick<JobView, "pluginVersion" | "pluginDigest">): string {
  return pluginDigest === null ? (pluginVersion ?? "") : `${pluginVersion} sha256:${pluginDigest}`;
}

/** Python's own sentences begin with the class of the exception, which is the kind. */
function errorShown({ kind, message }: Pick<NonNullable<JobView["error"]>, "kind" | "message">): string {
  return message.startsWith(`${kind}:`) ? message : `${kind}: ${message}`;
}
