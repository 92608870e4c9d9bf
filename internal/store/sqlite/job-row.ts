/** A row of the job table, and the job it stands for. Our own database is trusted. */
import {
  type ChildPolicy,
  type HeldJob,
  type Job,
  JOB_ATTEMPTS_DEFAULT,
  type JobError,
  type JobPause,
  type JobProgress,
  type JobState,
  type JobTrigger,
  type PastAttempt,
  type WaitPolicy,
} from "../../job/job.ts";
import type { Millis } from "../../base/env.ts";
import type { RetryPolicy } from "../../base/retry.ts";

/** Of a job that is next, what whoever runs it needs. */
export interface NextRow {
  seq: number;
  id: string;
  tenant: string;
  handler: string;
  plugin: string;
  trigger: JobTrigger;
  priority: number;
  attempt: number;
  max_attempts: number | null;
  fence: number;
  lost: number;
  suspect: number;
  snoozed: number;
  concurrency_key: string | null;
  budgeted: number;
  followed: number;
  schedule_id: string | null;
  occurrence: number | null;
  run_count: number | null;
  declared_id: string;
  catchup: number;
  timeout_ms: number | null;
  retry: string | null;
  cost_estimate: number;
  cost_actual: number;
  traceparent: string | null;
  checkpoint: Uint8Array | null;
  payload: Uint8Array;
}

/** The columns of that. */
export const NEXT_COLUMNS: readonly (keyof NextRow)[] = [
  "seq",
  "id",
  "tenant",
  "handler",
  "plugin",
  "trigger",
  "priority",
  "attempt",
  "max_attempts",
  "fence",
  "lost",
  "suspect",
  "snoozed",
  "concurrency_key",
  "budgeted",
  "followed",
  "schedule_id",
  "occurrence",
  "run_count",
  "declared_id",
  "catchup",
  "timeout_ms",
  "retry",
  "cost_estimate",
  "cost_actual",
  "traceparent",
  "checkpoint",
  "payload",
];

export interface JobRow extends NextRow {
  lane: string;
  source: string;
  owner: string;
  state: JobState;
  run_at: number;
  interrupted: number;
  cancel_requested: number;
  boot_id: string | null;
  unique_key: string | null;
  unique_until: number | null;
  crowded: number;
  parent_id: string | null;
  waits: number;
  wait_policy: WaitPolicy | null;
  child_policy: ChildPolicy | null;
  retry_of: string | null;
  progress: string | null;
  plugin_version: string | null;
  plugin_digest: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  pause: string | null;
  error: string | null;
  history: string | null;
  result: Uint8Array | null;
}

/** Who claims, and how many tries those get that say no number. */
export interface ClaimBy {
  bootId: string;
  maxAttempts: number;
  now: Millis;
}

/** Makes of the row of a job that is next what it is once it is claimed: what the statement writes, for who need not read it again. */
export function heldJob(row: NextRow, { maxAttempts, now }: ClaimBy): HeldJob {
  const job = readHeld(row);
  job.fence++;
  job.attempt++;
  job.maxAttempts = row.max_attempts ?? maxAttempts;
  job.startedAt = now;
  return job;
}

/** Makes a job of its row. */
export function readJob(row: JobRow): Job {
  return {
    ...readHeld(row),
    source: row.source,
    owner: row.owner,
    state: row.state,
    runAt: row.run_at,
    interrupted: row.interrupted,
    cancelRequested: row.cancel_requested === 1,
    uniqueKey: row.unique_key,
    uniqueUntil: row.unique_until,
    crowded: row.crowded === 1,
    parentId: row.parent_id,
    waits: row.waits,
    waitPolicy: row.wait_policy,
    childPolicy: row.child_policy,
    retryOf: row.retry_of,
    progress: row.progress === null ? null : (JSON.parse(row.progress) as JobProgress),
    pause: row.pause === null ? null : (JSON.parse(row.pause) as JobPause),
    result: row.result,
    error: row.error === null ? null : (JSON.parse(row.error) as JobError),
    history: row.history === null ? [] : (JSON.parse(row.history) as PastAttempt[]),
    pluginVersion: row.plugin_version,
    pluginDigest: row.plugin_digest,
    bootId: row.boot_id,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

/** Without what ran it before. */
function readHeld(row: NextRow): HeldJob {
  return {
    id: row.id,
    seq: row.seq,
    tenant: row.tenant,
    handler: row.handler,
    plugin: row.plugin,
    payload: row.payload,
    trigger: row.trigger,
    priority: row.priority,
    attempt: row.attempt,
    maxAttempts: row.max_attempts ?? JOB_ATTEMPTS_DEFAULT,
    fence: row.fence,
    lost: row.lost,
    suspect: row.suspect === 1,
    snoozed: row.snoozed,
    retry: row.retry === null ? null : (JSON.parse(row.retry) as RetryPolicy),
    timeoutMs: row.timeout_ms,
    concurrencyKey: row.concurrency_key,
    budgeted: row.budgeted === 1,
    followed: row.followed === 1,
    scheduleId: row.schedule_id,
    occurrence: row.occurrence,
    runCount: row.run_count,
    declaredId: row.declared_id,
    catchup: row.catchup === 1,
    checkpoint: row.checkpoint,
    costEstimate: row.cost_estimate,
    costActual: row.cost_actual,
    pluginVersion: null,
    pluginDigest: null,
    traceparent: row.traceparent,
    startedAt: null,
  };
}
