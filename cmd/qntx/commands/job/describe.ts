/** Describe: a job in words. */
import { formatDuration } from "../../../../internal/base/duration.ts";
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { factLines, jsonShown, whenInFull } from "../../facts.ts";
import type { Out } from "../../output.ts";

/** Where it stands, in a few words: "queued: waits for a free slot". */
export function stateShown({ state, waiting, progress }: JobView): string {
  if (waiting !== null) return `${state}: ${waiting}`;
  if (state !== "running" || progress === null) return state;
  return `running: ${progress.current}/${progress.total}${progress.message && ` ${progress.message}`}`;
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
    ["priority", job.priority === 0 ? null : job.priority],
    ["timeout", job.timeoutMs && formatDuration(job.timeoutMs)],
    ["lost", job.lost === 0 ? null : `${job.lost} times its process died`],
    ["interrupted", job.interrupted === 0 ? null : `${job.interrupted} times the host died`],
    ["unique key", job.uniqueKey],
    ["parent", job.parentId],
    ["retry of", job.retryOf],
    ["from", job.source],
    ["owner", job.owner],
    ["version", job.pluginVersion],
  ]);
}

/** Python's own sentences begin with the class of the exception, which is the kind. */
function errorShown({ kind, message }: NonNullable<JobView["error"]>): string {
  return message.startsWith(`${kind}:`) ? message : `${kind}: ${message}`;
}
