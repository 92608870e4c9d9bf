/** The seam of jobs: who writes them, who gets them, and how they end. */
import type { Exceeded, Metered } from "../access/quota.ts";
import type { Millis } from "../base/env.ts";
import type { HeldJob, Job, JobProgress, JobState, NewJob } from "../job/job.ts";
import type { Settlement } from "../job/outcome.ts";
import type { Page, PageRequest } from "./page.ts";
import type { JobPruneRequest, Pruned } from "./prune.ts";

/** What an enqueue found or made. */
export interface Enqueued {
  id: string;
  state: JobState;
  /** False when the id, or an active job with the unique key, existed. */
  created: boolean;
}

/** What a plugin has of what its quota counts. */
export interface JobUse {
  queueDepth: number;
  jobsPerSecond: number;
}

/** A wish of the worker: up to `limit` jobs of one lane. */
export interface LaneRequest {
  lane: string;
  limit: number;
  /** Who runs them: its budget counts. Absent: the plugin that the lane names. */
  plugin?: string;
  /** Tries of the jobs that say none themselves: the handler's, or the host's default. */
  maxAttempts?: number;
}

/** Who runs jobs, and knows what there is room for. */
export interface Claimer {
  readonly bootId: string;
  /** What may be claimed now; `lanes` may have new jobs. It is asked inside of a transaction, and again when that is tried again. */
  wishes(lanes: Iterable<string>): readonly LaneRequest[];
  /** The claim of what was wished for is on disk. Nothing has happened since the question. */
  claimed(jobs: readonly HeldJob[], wishes: readonly LaneRequest[]): void;
}

export interface JobFilter {
  state?: JobState | undefined;
  /** Its name alone. */
  handler?: string | undefined;
  /** The plugin that jobs were addressed to by name. */
  plugin?: string | undefined;
  scheduleId?: string | undefined;
  owner?: string | undefined;
  tenant?: string | undefined;
  parentId?: string | undefined;
}

export interface ProgressUpdate {
  id: string;
  fence: number;
  progress?: JobProgress;
  /** What the attempt saves for the next one. */
  checkpoint?: Uint8Array;
}

/** What `cancel` did: `before` is the state it found. A running job is only asked; its worker must be told. */
export interface Cancelled {
  job: Job;
  before: JobState;
}

/** What `pause` or `resume` of a job did: `moved` is false when its state forbids it. */
export interface Moved {
  job: Job;
  moved: boolean;
}

/** What became due: how many moved to `queued`, and when to look again. */
export interface Promoted {
  count: number;
  nextDueAt: Millis | null;
}

/** How many jobs of a lane are queued, and how many of them wait for others of their concurrency key. */
export interface QueuedLane {
  lane: string;
  count: number;
  crowded: number;
}

/** What says who may see a job. */
export type WhoseJob = Pick<Job, "tenant" | "plugin" | "handler" | "owner">;

export interface JobStore {
  /** Writes jobs; idempotent by id and by unique key. All of one call succeed or fail together. Throws a Fault for an id that somebody else's job has. */
  enqueue(jobs: readonly NewJob[]): Promise<Enqueued[]>;
  /** The same for a plugin: unless it has too many, or adds them too fast, which is counted in the transaction that writes them. */
  enqueueWithin(metered: Metered, jobs: readonly NewJob[]): Promise<Enqueued[] | { exceeded: Exceeded }>;
  /** How much of its quota a plugin has used. */
  quotaUse(metered: Omit<Metered, "quota">): Promise<JobUse>;
  /** Null when there is no such job. */
  get(id: string): Promise<Job | null>;
  /** Whose it is, without reading it: who may not see it shall not notice by the time that it is there. */
  whose(id: string): Promise<WhoseJob | null>;
  /** Full ids that end or start with `part`; at most `limit`. */
  find(part: string, limit: number): Promise<string[]>;
  /** Newest first. Where few match among very many, a page ends early, maybe with nothing; its cursor leads on. */
  list(filter: JobFilter, page: PageRequest): Promise<Page<Job>>;
  /** Hands queued jobs to a boot, each with a new fence. Lowest priority number first, then first in, first out. */
  claim(request: { bootId: string; lanes: readonly LaneRequest[] }): Promise<HeldJob[]>;
  /** Claims for `claimer` from now on: whatever is written, it is asked at the end, in the same transaction. Null: for nobody. */
  serve(claimer: Claimer | null): void;
  /** Asks who serves now. Rejects when nothing can be claimed. */
  offer(): Promise<void>;
  /** Ends attempts. False for one whose fence no longer holds: its result does not count. */
  settle(settlements: readonly Settlement[]): Promise<boolean[]>;
  /** Notes progress and checkpoints of running jobs; updates without a live fence are dropped. */
  progress(updates: readonly ProgressUpdate[]): Promise<void>;
  /** Moves up to `limit` due jobs (scheduled, retrying) to queued. */
  promote(limit: number): Promise<Promoted>;
  /** Cancels what is not running at once, and marks what is. Null when there is no such job; `before` may be a finished state. */
  cancel(id: string, by: string): Promise<Cancelled | null>;
  /** Keeps a job that waits from running until it is resumed. Runs of a backfill stand in a line of their own and are not moved. Null when there is no such job. */
  pause(id: string, pause: { by: string; note: string }): Promise<Moved | null>;
  /** Puts a paused job back where its time says. Null when there is no such job. */
  resume(id: string): Promise<Moved | null>;
  /** Requeues jobs that are held by boots other than `bootId` whose lease has ended. Returns their ids. */
  recover(bootId: string): Promise<string[]>;
  /** Sets what the plugin itself may say of its own job: progress and cost. False when it is not running. */
  annotate(id: string, change: { progress?: JobProgress; costActual?: number }): Promise<boolean>;
  /** By state. Where there are very many, of those that move meanwhile some may be missed or counted twice. */
  counts(): Promise<Record<JobState, number>>;
  /** Queued jobs per lane, for lanes that have any. */
  queuedLanes(): Promise<QueuedLane[]>;
  /** The names of those lanes alone: one look for each, however many jobs it has. Null when there are more than `max`. */
  lanesQueued(max: number): Promise<string[] | null>;
  /** Removes finished jobs that are too old or too many, and what they said; but none that something still needs. */
  prune(request: JobPruneRequest): Promise<Pruned>;
}
