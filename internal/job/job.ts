/**
 * Job: one piece of work for one handler, from the moment it is acknowledged
 * until it has ended for good.
 *
 *            ┌────────────────── promote ──────────────────┐
 *            ▼                                             │
 *   scheduled ──► queued ──claim──► running ──► completed  │
 *                  ▲ ▲                 │ │ └──► failed      │
 *                  │ └── lost, given ──┘ └────► retrying ──┘
 *               resume   back
 *                paused            any of them ──► cancelled
 *
 * A job of a schedule that nobody has started in time goes from scheduled or queued
 * to failed: it has expired. One that waits for other jobs is scheduled until they have
 * ended, and fails when one of them does, unless it says otherwise.
 *
 * A finished job (completed, failed, cancelled) never leaves its state; running
 * it again makes a new job that names the old one. Pure: no I/O, no clock.
 */
import type { Millis } from "../base/env.ts";
import type { RetryPolicy } from "../base/retry.ts";

export const JOB_STATES = [
  "scheduled",
  "queued",
  "running",
  "retrying",
  "paused",
  "completed",
  "failed",
  "cancelled",
] as const;
export type JobState = (typeof JOB_STATES)[number];

/** States that nothing leaves. */
export const FINISHED_STATES: readonly JobState[] = ["completed", "failed", "cancelled"];

/** The allowed moves. Each is one guarded UPDATE in the store, and the simulation asserts that no other happens. */
export const JOB_MOVES: Record<JobState, readonly JobState[]> = {
  scheduled: ["queued", "cancelled", "paused", "failed"],
  queued: ["running", "cancelled", "paused", "failed"],
  running: ["queued", "scheduled", "retrying", "completed", "failed", "cancelled"],
  retrying: ["queued", "cancelled", "paused"],
  paused: ["queued", "scheduled", "retrying", "cancelled", "failed"],
  completed: [],
  failed: [],
  cancelled: [],
};

/** What made the job. Only `schedule` has a ledger row. */
export const JOB_TRIGGERS = ["enqueue", "schedule", "run-now", "backfill", "retry", "watcher"] as const;
export type JobTrigger = (typeof JOB_TRIGGERS)[number];

/** Why an attempt failed. `kind` is a word for machines: an exception's class, `exit`, `timeout`, `lost`, `expired`. */
export interface JobError {
  message: string;
  kind: string;
  attempt: number;
  stack?: string;
}

/** Why a job that is paused waits: somebody said so. */
export interface JobPause {
  by: string;
  note: string;
  at: Millis;
}

export interface JobProgress {
  current: number;
  total: number;
  message: string;
}

/** What a job does when one that it waits for fails or is cancelled: fail too, run all the same, or fail and cancel the others. */
export const WAIT_POLICIES = ["fail", "continue", "cancel"] as const;
export type WaitPolicy = (typeof WAIT_POLICIES)[number];

/** What becomes of the children of a job that fails. Those of a cancelled one are cancelled. */
export const CHILD_POLICIES = ["keep", "cancel"] as const;
export type ChildPolicy = (typeof CHILD_POLICIES)[number];

/** An attempt that did not complete its job: how it ended, and what ran it. */
export interface PastAttempt {
  attempt: number;
  fence: number;
  kind: string;
  message: string;
  startedAt: Millis | null;
  endedAt: Millis;
  pluginVersion: string | null;
  pluginDigest: string | null;
}

/** What whoever runs a job needs of it: read for each that is claimed, fifty thousand times in a second. */
export interface HeldJob {
  id: string;
  /** Order of arrival: smaller came first. */
  seq: number;
  tenant: string;
  handler: string;
  /** The plugin, where the handler was named as `<plugin>/<handler>`; otherwise empty. */
  plugin: string;
  payload: Uint8Array;
  trigger: JobTrigger;
  /** Lower runs first. */
  priority: number;
  /** Tries spent, the running one included. */
  attempt: number;
  /** Where its enqueuer says none, the handler does at the first claim; until then, the host's default. */
  maxAttempts: number;
  /** Grows at every claim and never returns: only its holder may settle. */
  fence: number;
  /** Times that the job's process died under it. */
  lost: number;
  /** True when the job fell together with others: it runs alone the next time, to tell the poison from its neighbours. */
  suspect: boolean;
  /** Times that its handler asked to run again later. */
  snoozed: number;
  retry: RetryPolicy | null;
  timeoutMs: Millis | null;
  /** Of the jobs of a handler that name the same key, only so many run at once. */
  concurrencyKey: string | null;
  /** True while it runs at the cost of a budget. */
  budgeted: boolean;
  /** True when its end concerns others: they wait for it, or are its children. */
  followed: boolean;
  scheduleId: string | null;
  occurrence: Millis | null;
  /** Which run of its schedule it is, from 1; null for a job that is no occurrence. */
  runCount: number | null;
  /** The id under which a plugin or a file declared the schedule; empty when there is none. */
  declaredId: string;
  catchup: boolean;
  /** What an attempt has saved for the next one. */
  checkpoint: Uint8Array | null;
  costEstimate: number;
  costActual: number;
  /** Version of the plugin that ran the last attempt. */
  pluginVersion: string | null;
  /** The file that it was started from: the first digits of its SHA-256. Null for what is in the binary or runs elsewhere. */
  pluginDigest: string | null;
  traceparent: string | null;
  startedAt: Millis | null;
}

/** All that is kept of a job. */
export interface Job extends HeldJob {
  source: string;
  owner: string;
  state: JobState;
  runAt: Millis;
  /** Times that the host died while the job ran. */
  interrupted: number;
  cancelRequested: boolean;
  uniqueKey: string | null;
  /** Until when its key is held, whatever becomes of it; null: while it has not ended. */
  uniqueUntil: Millis | null;
  /** True while it has no place among those of its key. */
  crowded: boolean;
  parentId: string | null;
  /** How many jobs it still waits for. */
  waits: number;
  /** Null for one that never waited for others. */
  waitPolicy: WaitPolicy | null;
  /** Null: keep. */
  childPolicy: ChildPolicy | null;
  retryOf: string | null;
  progress: JobProgress | null;
  /** Null unless it is paused, and also when it stands in the line of a backfill. */
  pause: JobPause | null;
  result: Uint8Array | null;
  error: JobError | null;
  /** The attempts that did not complete it, oldest first; the latest of them, where there were many. */
  history: readonly PastAttempt[];
  /** Incarnation of the node that holds the job while it runs. */
  bootId: string | null;
  createdAt: Millis;
  finishedAt: Millis | null;
}

/** What an enqueue says; the store fills in the rest. */
export interface NewJob {
  id: string;
  handler: string;
  payload: Uint8Array;
  tenant?: string;
  plugin?: string;
  source?: string;
  owner?: string;
  trigger?: JobTrigger;
  priority?: number;
  /** Absent or in the past: queued at once. */
  runAt?: Millis | undefined;
  maxAttempts?: number | undefined;
  retry?: RetryPolicy | undefined;
  timeoutMs?: Millis | undefined;
  uniqueKey?: string | undefined;
  /** From its making on, its key is held for so long, also when it has ended. */
  uniqueForMs?: Millis | undefined;
  concurrencyKey?: string | undefined;
  parentId?: string | undefined;
  /** Ids of jobs: it is not due before they have ended. */
  waitFor?: readonly string[] | undefined;
  /** Absent: fail. */
  waitPolicy?: WaitPolicy | undefined;
  /** Absent: keep. */
  childPolicy?: ChildPolicy | undefined;
  retryOf?: string | undefined;
  scheduleId?: string | undefined;
  occurrence?: Millis | undefined;
  runCount?: number | undefined;
  declaredId?: string;
  /** Of a node-local schedule: the node whose occurrence it is. */
  node?: string;
  catchup?: boolean;
  /** It waits as paused: whoever keeps the line that it stands in lets it go. */
  held?: boolean;
  /** One that has not started by then fails as expired. */
  expiresAt?: Millis | undefined;
  costEstimate?: number;
  traceparent?: string | undefined;
}

export const JOB_PAYLOAD_BYTES_MAX = 262_144; // 256 KiB: a job carries a request, not a file.
export const JOB_RESULT_BYTES_MAX = 1_048_576; // 1 MiB: a result is looked at; larger things belong in attestations or files.
export const CHECKPOINT_BYTES_MAX = 65_536; // 64 KiB: where it stands, not what it made; it is written while the job runs.
export const JOB_ATTEMPTS_DEFAULT = 3;
export const JOB_ATTEMPTS_MAX = 100;
export const JOB_TIMEOUT_DEFAULT_MS = 300_000; // As QNTX sends with every job.
export const JOB_TIMEOUT_MAX_MS = 7 * 86_400_000;
export const JOB_PRIORITY_MAX = 1_000_000; // Either sign; an index key, nothing more.
export const UNIQUE_FOR_MAX_MS = 30 * 86_400_000; // Its job is kept for as long: what must be unique for ever is an id.
export const JOB_WAIT_FOR_MAX = 10_000; // As many as are enqueued together.
export const JOB_LOST_MAX = 3; // Deaths of its process; fewer than the five that quarantine a plugin.
export const JOB_INTERRUPTED_MAX = 20; // Deaths of the host, which are seldom a job's fault.
export const JOB_SNOOZES_MAX = 1_000; // A minute each, that is most of a day; what waits longer for its time is a schedule.
export const JOB_SNOOZE_MAX_MS = 7 * 86_400_000; // Each; what asks for more gets this.
export const HISTORY_ATTEMPTS_MAX = 20; // Of each job, the latest: enough to see what changed, small enough to read with the job.
export const HISTORY_CHARS_MAX = 500; // Of each attempt's sentence; the whole of the last one is the job's error.
export const LOST_BACKOFF_MS = 1_000; // Doubles with each loss, so a poison job cannot spin its plugin.

/** True when nothing more will happen to a job in this state. */
export function isFinished(state: JobState): boolean {
  return FINISHED_STATES.includes(state);
}
