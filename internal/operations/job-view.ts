/** How a job is shown: the JSON of `--json`, the HTTP API and the panel. */
import type { Json } from "../ats/attestation.ts";
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import type { Job, JobError, JobProgress, JobState, JobTrigger } from "../job/job.ts";
import { laneOf } from "../pulse/registry.ts";
import type { Context, Host } from "./operation.ts";
import { shownBytes } from "./payload.ts";

export interface JobView {
  id: string;
  handler: string;
  state: JobState;
  /** Why it does not run although it could; null when it is not waiting. */
  waiting: string | null;
  attempt: number;
  maxAttempts: number;
  payload: Json;
  result: Json;
  error: JobError | null;
  progress: JobProgress | null;
  trigger: JobTrigger;
  scheduleId: string | null;
  /** The id under which the schedule was declared; null when it was made at run time. */
  declaredId: string | null;
  occurrence: string | null;
  /** Which run of the schedule it is, from 1; null for a job that is no occurrence. */
  runCount: number | null;
  catchup: boolean;
  priority: number;
  timeoutMs: number | null;
  owner: string;
  source: string;
  pluginVersion: string | null;
  costActual: number;
  /** Times that its process, and its host, died under it. */
  lost: number;
  interrupted: number;
  cancelRequested: boolean;
  uniqueKey: string | null;
  parentId: string | null;
  retryOf: string | null;
  createdAt: string;
  runAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

const instant = (at: Millis | null): string | null => (at === null ? null : formatInstant(at));

/** Makes the view of a job. */
export function viewJob(context: Context, job: Job): JobView {
  return {
    id: job.id,
    handler: laneOf(job.handler, job.plugin),
    state: job.state,
    waiting: waitingReason(context, job),
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    payload: shownBytes(job.payload),
    result: shownBytes(job.result),
    error: job.error,
    progress: job.progress,
    trigger: job.trigger,
    scheduleId: job.scheduleId,
    declaredId: job.declaredId || null,
    occurrence: instant(job.occurrence),
    runCount: job.runCount,
    catchup: job.catchup,
    priority: job.priority,
    timeoutMs: job.timeoutMs,
    owner: job.owner,
    source: job.source,
    pluginVersion: job.pluginVersion,
    costActual: job.costActual,
    lost: job.lost,
    interrupted: job.interrupted,
    cancelRequested: job.cancelRequested,
    uniqueKey: job.uniqueKey,
    parentId: job.parentId,
    retryOf: job.retryOf,
    createdAt: formatInstant(job.createdAt),
    runAt: formatInstant(job.runAt),
    startedAt: instant(job.startedAt),
    finishedAt: instant(job.finishedAt),
  };
}

/** Says why a queued job does not run. It is found out when somebody asks, never written down to go stale. */
function waitingReason({ host }: Context, job: Job): string | null {
  if (job.state === "paused" && job.trigger === "backfill") return "waits for its turn in the backfill";
  if (job.state !== "queued") return null;
  const waits = laneWaits(host, laneOf(job.handler, job.plugin));
  if (waits !== null) return waits;
  return job.suspect ? "runs alone, because it fell with its neighbours" : "waits for a free slot";
}

/** Says why no job of a lane runs; null when somebody runs them. */
export function laneWaits(host: Host | null, lane: string): string | null {
  if (!host) return "no host is running";
  if (!host.ready) return "the host is starting"; // A plugin may be ready; its handlers are not registered yet.
  const offer = host.plugins.offers(lane);
  if (!offer) return `no plugin offers "${lane}"`;
  if (offer.live) return null;
  const { state } = host.plugins.statuses().find(({ name }) => name === offer.plugin) ?? {};
  return state === "ready"
    ? `plugin ${offer.plugin} runs, but says that it does not know "${lane}"`
    : `plugin ${offer.plugin} is not running`;
}
