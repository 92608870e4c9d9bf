/** How a job is shown: the JSON of `--json`, the HTTP API and the panel. */
import type { Json } from "../ats/attestation.ts";
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import type { Job, JobError, JobProgress, JobState, JobTrigger, PastAttempt } from "../job/job.ts";
import { formatRetry } from "../base/retry.ts";
import { laneOf } from "../job/lane.ts";
import type { Context } from "./operation.ts";
import { shownBytes } from "./payload.ts";
import { readJobWaits, readWaits } from "./waits.ts";

export interface JobView {
  id: string;
  handler: string;
  state: JobState;
  /** Why it does not run although it could; null when it is not waiting. */
  waiting: string | null;
  /** Who keeps it from running, and why; null when nobody does. */
  pause: { by: string; note: string; at: string } | null;
  attempt: number;
  maxAttempts: number;
  payload: Json;
  result: Json;
  error: JobError | null;
  /** The attempts that did not complete it, oldest first; the latest, where there were many. */
  history: PastAttemptView[];
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
  /** How long it waits between tries; null: as its handler says. */
  retry: string | null;
  pluginVersion: string | null;
  pluginDigest: string | null;
  /** What it was thought to cost: reserved of its budgets while it runs. */
  costEstimate: number;
  costActual: number;
  /** Times that its process, and its host, died under it. */
  lost: number;
  interrupted: number;
  /** Times that it asked to run again later. */
  snoozed: number;
  cancelRequested: boolean;
  uniqueKey: string | null;
  /** Until when its key is held, whatever becomes of it; null: while it has not ended. */
  uniqueUntil: string | null;
  concurrencyKey: string | null;
  parentId: string | null;
  /** How many jobs it still waits for; and what it does when one of them does not complete. */
  waits: number;
  waitPolicy: string | null;
  childPolicy: string | null;
  retryOf: string | null;
  createdAt: string;
  runAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

export interface PastAttemptView extends Omit<PastAttempt, "startedAt" | "endedAt"> {
  startedAt: string | null;
  endedAt: string;
}

const instant = (at: Millis | null): string | null => (at === null ? null : formatInstant(at));

/** Makes the view of a job. */
export async function viewJob(context: Context, job: Job): Promise<JobView> {
  return view(job, await readJobWaits(context, job));
}

/** Makes the views of jobs. */
export async function viewJobs(context: Context, jobs: readonly Job[]): Promise<JobView[]> {
  const waits = await readWaits(context);
  return jobs.map((job) => view(job, waits.job(job)));
}

function view(job: Job, waiting: string | null): JobView {
  return {
    id: job.id,
    handler: laneOf(job),
    state: job.state,
    waiting,
    pause: job.pause && { ...job.pause, at: formatInstant(job.pause.at) },
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    payload: shownBytes(job.payload),
    result: shownBytes(job.result),
    error: job.error,
    history: job.history.map((past) => ({
      ...past,
      startedAt: instant(past.startedAt),
      endedAt: formatInstant(past.endedAt),
    })),
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
    retry: job.retry && formatRetry(job.retry),
    pluginVersion: job.pluginVersion,
    pluginDigest: job.pluginDigest,
    costEstimate: job.costEstimate,
    costActual: job.costActual,
    lost: job.lost,
    interrupted: job.interrupted,
    snoozed: job.snoozed,
    cancelRequested: job.cancelRequested,
    uniqueKey: job.uniqueKey,
    uniqueUntil: instant(job.uniqueUntil),
    concurrencyKey: job.concurrencyKey,
    parentId: job.parentId,
    waits: job.waits,
    waitPolicy: job.waitPolicy,
    childPolicy: job.childPolicy,
    retryOf: job.retryOf,
    createdAt: formatInstant(job.createdAt),
    runAt: formatInstant(job.runAt),
    startedAt: instant(job.startedAt),
    finishedAt: instant(job.finishedAt),
  };
}
