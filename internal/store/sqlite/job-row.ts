/** A row of the job table, and the job it stands for. Our own database is trusted. */
import {
  type ChildPolicy,
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

export interface JobRow {
  seq: number;
  id: string;
  tenant: string;
  handler: string;
  plugin: string;
  lane: string;
  trigger: JobTrigger;
  source: string;
  owner: string;
  priority: number;
  state: JobState;
  run_at: number;
  attempt: number;
  max_attempts: number | null;
  fence: number;
  lost: number;
  suspect: number;
  interrupted: number;
  snoozed: number;
  cancel_requested: number;
  boot_id: string | null;
  unique_key: string | null;
  unique_until: number | null;
  concurrency_key: string | null;
  crowded: number;
  budgeted: number;
  parent_id: string | null;
  followed: number;
  waits: number;
  wait_policy: WaitPolicy | null;
  child_policy: ChildPolicy | null;
  retry_of: string | null;
  schedule_id: string | null;
  occurrence: number | null;
  run_count: number | null;
  declared_id: string;
  catchup: number;
  timeout_ms: number | null;
  retry: string | null;
  progress: string | null;
  cost_estimate: number;
  cost_actual: number;
  plugin_version: string | null;
  plugin_digest: string | null;
  traceparent: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  pause: string | null;
  error: string | null;
  history: string | null;
  checkpoint: Uint8Array | null;
  payload: Uint8Array;
  result: Uint8Array | null;
}

/** Who claims, and how many tries those get that say no number. */
export interface ClaimBy {
  bootId: string;
  maxAttempts: number;
  now: Millis;
}

/** Makes of the row of a job that is next what it is once it is claimed: what the statement writes, for who need not read it again. */
export function claimedRow(row: JobRow, { bootId, maxAttempts, now }: ClaimBy): JobRow {
  row.state = "running";
  row.fence++;
  row.attempt++;
  row.max_attempts ??= maxAttempts;
  row.boot_id = bootId;
  row.started_at = now;
  return row;
}

/** Makes a job of its row. */
export function readJob(row: JobRow): Job {
  return {
    id: row.id,
    seq: row.seq,
    tenant: row.tenant,
    handler: row.handler,
    plugin: row.plugin,
    payload: row.payload,
    source: row.source,
    owner: row.owner,
    trigger: row.trigger,
    priority: row.priority,
    state: row.state,
    runAt: row.run_at,
    attempt: row.attempt,
    maxAttempts: row.max_attempts ?? JOB_ATTEMPTS_DEFAULT,
    fence: row.fence,
    lost: row.lost,
    suspect: row.suspect === 1,
    interrupted: row.interrupted,
    snoozed: row.snoozed,
    cancelRequested: row.cancel_requested === 1,
    retry: row.retry === null ? null : (JSON.parse(row.retry) as RetryPolicy),
    timeoutMs: row.timeout_ms,
    uniqueKey: row.unique_key,
    uniqueUntil: row.unique_until,
    concurrencyKey: row.concurrency_key,
    crowded: row.crowded === 1,
    budgeted: row.budgeted === 1,
    parentId: row.parent_id,
    followed: row.followed === 1,
    waits: row.waits,
    waitPolicy: row.wait_policy,
    childPolicy: row.child_policy,
    retryOf: row.retry_of,
    scheduleId: row.schedule_id,
    occurrence: row.occurrence,
    runCount: row.run_count,
    declaredId: row.declared_id,
    catchup: row.catchup === 1,
    progress: row.progress === null ? null : (JSON.parse(row.progress) as JobProgress),
    pause: row.pause === null ? null : (JSON.parse(row.pause) as JobPause),
    result: row.result,
    checkpoint: row.checkpoint,
    error: row.error === null ? null : (JSON.parse(row.error) as JobError),
    history: row.history === null ? [] : (JSON.parse(row.history) as PastAttempt[]),
    costEstimate: row.cost_estimate,
    costActual: row.cost_actual,
    pluginVersion: row.plugin_version,
    pluginDigest: row.plugin_digest,
    traceparent: row.traceparent,
    bootId: row.boot_id,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}
