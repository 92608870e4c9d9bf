/**
 * Store: what must survive a restart, in domain verbs. Two engines implement
 * it; `storetest/` is the specification that both run.
 *
 * A write is answered after its commit: whoever gets the answer may tell the
 * world. Writes of one turn are committed as one group. The engine supplies the
 * time, because nodes that share a store must share a clock.
 */
import type { Attestation, AttestationFilter, Json } from "../ats/attestation.ts";
import type { Millis } from "../base/env.ts";
import type { Event, EventKind, NewEvent } from "../event/event.ts";
import type { Job, JobProgress, JobState, NewJob } from "../job/job.ts";
import type { Settlement } from "../job/outcome.ts";
import type { LocksBy } from "../schedule/lock.ts";
import type { PluginStore } from "./plugins.ts";
import type { ObjectiveStore } from "./objectives.ts";
import type { BulkStore } from "./bulk.ts";
import type { FlowStore } from "./flows.ts";
import type { GrantStore } from "./grants.ts";
import type { WebhookStore } from "./webhooks.ts";
import type { LedgerStore } from "./ledger.ts";
import type { LimitStore } from "./limits.ts";
import type { JobPruneRequest, Pruned, PruneRequest } from "./prune.ts";
import type { NamedBlackout } from "../schedule/named-blackout.ts";
import type {
  Locking,
  Occurrence,
  Owner,
  Policy,
  Schedule,
  ScheduleState,
  Spec,
  Target,
} from "../schedule/schedule.ts";

import type { LockProvider, LockVerdict, LockWait } from "./locks.ts";

/** A page of a list, and where the next one starts. `cursor` is null on the last page. */
export interface Page<T> {
  items: T[];
  cursor: string | null;
}

export const PAGE_ROWS_MAX = 1_000; // A page is read by people or programs one at a time.
export const PAGE_ROWS_DEFAULT = 50;

export interface PageRequest {
  limit?: number | undefined;
  cursor?: string | undefined;
}

// Jobs

/** What an enqueue found or made. */
export interface Enqueued {
  id: string;
  state: JobState;
  /** False when the id, or an active job with the unique key, existed. */
  created: boolean;
}

/** A wish of the worker: up to `limit` jobs of one lane. */
export interface LaneRequest {
  lane: string;
  limit: number;
  /** Tries of the jobs that say none themselves: the handler's, or the host's default. */
  maxAttempts?: number;
}

export interface JobFilter {
  state?: JobState | undefined;
  handler?: string | undefined;
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

/** What became due: how many moved to `queued`, in which lanes, and when to look again. */
export interface Promoted {
  count: number;
  lanes: string[];
  nextDueAt: Millis | null;
}

/** How many jobs of a lane are queued, and how many of them wait for others of their concurrency key. */
export interface QueuedLane {
  lane: string;
  count: number;
  crowded: number;
}

export interface JobStore {
  /** Writes jobs; idempotent by id and by unique key. All of one call succeed or fail together. */
  enqueue(jobs: readonly NewJob[]): Promise<Enqueued[]>;
  /** Null when there is no such job. */
  get(id: string): Promise<Job | null>;
  /** Full ids that end or start with `part`; at most `limit`. */
  find(part: string, limit: number): Promise<string[]>;
  /** Newest first. Where few match among very many, a page ends early, maybe with nothing; its cursor leads on. */
  list(filter: JobFilter, page: PageRequest): Promise<Page<Job>>;
  /** Hands queued jobs to a boot, each with a new fence. Lowest priority number first, then first in, first out. */
  claim(request: { bootId: string; lanes: readonly LaneRequest[] }): Promise<Job[]>;
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
  /** Requeues jobs that are held by boots other than `bootId` whose lease has ended. Returns the lanes touched and the ids. */
  recover(bootId: string): Promise<{ ids: string[]; lanes: string[] }>;
  /** Sets what the plugin itself may say of its own job: progress and cost. False when it is not running. */
  annotate(id: string, change: { progress?: JobProgress; costActual?: number }): Promise<boolean>;
  /** By state. Where there are very many, of those that move meanwhile some may be missed or counted twice. */
  counts(): Promise<Record<JobState, number>>;
  /** Queued jobs per lane, for lanes that have any. */
  queuedLanes(): Promise<QueuedLane[]>;
  /** Removes finished jobs that are too old or too many, and what they said; but none that something still needs. */
  prune(request: JobPruneRequest): Promise<Pruned>;
}

// Schedules

export interface NewSchedule {
  id: string;
  name: string;
  tenant: string;
  owner: Owner;
  declaredId: string;
  target: Target;
  payload: Uint8Array;
  spec: Spec;
  timezone: string;
  /** Absent: the moment of creation. */
  anchor?: Millis | undefined;
  policy: Policy;
  locking: Locking;
  paused: { note: string; by: string; until?: Millis | null } | null;
  description: string;
  metadata: Record<string, string>;
  /** Runs that it had elsewhere, of those that it may have. */
  runCount?: number | undefined;
}

/** Absent fields stay. A change of spec re-anchors an interval unless `anchor` is given. */
export interface ScheduleChange {
  name?: string | undefined;
  target?: Target | undefined;
  payload?: Uint8Array | undefined;
  spec?: Spec | undefined;
  timezone?: string | undefined;
  anchor?: Millis | undefined;
  policy?: Policy | undefined;
  locking?: Locking | undefined;
  description?: string | undefined;
  metadata?: Record<string, string> | undefined;
}

export interface ScheduleFilter {
  state?: ScheduleState | undefined;
  handler?: string | undefined;
  owner?: Owner | undefined;
  tenant?: string | undefined;
  /** False: without deleted ones, unless `state` asks for them. */
  deleted?: boolean | undefined;
}

/** Why a verb did not do what was asked. The caller makes a sentence of it. */
export type ScheduleRefusal =
  | { refused: "not-found" }
  | { refused: "deleted"; schedule: Schedule }
  | { refused: "revision"; schedule: Schedule }
  | { refused: "name-taken"; schedule: Schedule };

/** What a fire step did. */
export interface Fired {
  /** Schedules that were due and are accounted for now. */
  settled: number;
  jobs: { id: string; lane: string; priority: number; scheduleId: string; occurrence: Millis }[];
  /** Runs that must end because of a later occurrence: whoever holds one is to be told. */
  stopped: string[];
  /** Schedules whose definition could not be evaluated; they are tried again after a pause. */
  broken: { scheduleId: string; message: string }[];
  /** Occurrences that wait for their locks from now on. */
  asked: number;
  /** When the next schedule of this node is due; null when none is. */
  nextDueAt: Millis | null;
}

/** One of several changes that are made together or not at all. `revision` and `state` are what was found. */
export type ScheduleStep =
  | { kind: "blackout"; blackout: NewBlackout }
  | { kind: "create"; schedule: NewSchedule }
  | {
      kind: "change";
      id: string;
      revision: number;
      state: ScheduleState;
      /** Absent: the definition stays. */
      change?: ScheduleChange | undefined;
      /** Absent: as it is; null: resumed. */
      pause?: { note: string; by: string; until: Millis | null } | null | undefined;
    }
  | { kind: "delete"; id: string; revision: number; state: ScheduleState; by: string };

export type DeclaredChange = {
  id: string;
  declaredId: string;
  change: "created" | "updated" | "unchanged" | "deleted" | "revived";
};

export interface ScheduleStore {
  create(schedule: NewSchedule): Promise<Schedule | ScheduleRefusal>;
  get(id: string): Promise<Schedule | null>;
  /** Schedules, not deleted, that have this name; more than one when several owners use it. */
  named(name: string): Promise<Schedule[]>;
  /** The schedule that an owner declared under an id, deleted ones too; null when there is none. */
  declaredAs(owner: Owner, declaredId: string, tenant: string): Promise<Schedule | null>;
  /** Full ids that end or start with `part`; at most `limit`. */
  find(part: string, limit: number): Promise<string[]>;
  /** Oldest first. */
  list(filter: ScheduleFilter, page: PageRequest): Promise<Page<Schedule>>;
  /** Active schedules by their next run, the soonest first. */
  upcoming(limit: number): Promise<Schedule[]>;
  update(id: string, change: ScheduleChange, revision?: number): Promise<Schedule | ScheduleRefusal>;
  pause(
    id: string,
    pause: { note: string; by: string; until: Millis | null },
  ): Promise<Schedule | ScheduleRefusal>;
  /** Occurrences of the pause are recorded as `paused`; the next one is after now. */
  resume(id: string): Promise<Schedule | ScheduleRefusal>;
  /** Soft: the row and its ledger stay. */
  delete(id: string, by: string): Promise<Schedule | ScheduleRefusal>;
  /** Does all of the steps in one transaction, or, when one is refused, none. Null when they are done. */
  apply(steps: readonly ScheduleStep[]): Promise<ScheduleRefusal | null>;
  /** Makes the declared schedules of an owner equal to the list; what people paused or deleted stays so. */
  declare(owner: Owner, declared: readonly NewSchedule[]): Promise<DeclaredChange[]>;
  /** Accounts for everything that is due on this node, up to `limit` schedules: ledger rows, jobs and cursors in one transaction. */
  fire(request: { nodeId: string; limit: number }): Promise<Fired>;
  /** Occurrences that wait for their locks: those of the last seconds first, then the oldest. */
  lockWaits(limit: number): Promise<LockWait[]>;
  /** Says on those that have waited longest why they still do. */
  noteLockWaits(note: string): Promise<void>;
  /** Ends the waiting of those for which the provider has answered; who has its lock runs as its policies say. */
  lockAnswers(verdicts: readonly LockVerdict[]): Promise<Fired>;
  /** Ledger rows with an occurrence in [from, to), oldest first. */
  ledger(id: string, range: { from?: Millis; to?: Millis }, page: PageRequest): Promise<Page<Occurrence>>;
  /** Its last ledger rows, oldest first; the cursor leads to those before them. */
  ledgerEnd(id: string, page: PageRequest): Promise<Page<Occurrence>>;
  counts(): Promise<Record<ScheduleState, number>>;
}

// Backfills

/** A span of the past that somebody asked to be run. */
export interface NewBackfill {
  id: string;
  scheduleId: string;
  from: Millis;
  to: Millis;
  /** Runs of the schedule's backfills at once. */
  concurrency: number;
  askedBy: string;
}

export interface BackfillMade {
  made: number;
  /** Instants that had a run of a backfill already. */
  existed: number;
}

export interface Backfill extends NewBackfill {
  createdAt: Millis;
  runs: { waiting: number; open: number; completed: number; failed: number; cancelled: number };
}

export interface BackfillStore {
  /** Instants in [from, to) that have a run of a backfill; one that was cancelled is none. */
  instants(scheduleId: string, span: { from: Millis; to: Millis }): Promise<Millis[]>;
  /** Makes the runs that are not there yet. They stand in the schedule's line, which moves on when one ends. May be asked in parts. */
  make(backfill: NewBackfill, jobs: readonly NewJob[]): Promise<BackfillMade>;
  /** Cancels all runs of a schedule's backfills that have not begun; `running` ones go on. */
  cancel(scheduleId: string, by: string): Promise<{ cancelled: number; running: number }>;
  /** The run of a backfill for an instant; null when there is none. */
  run(scheduleId: string, occurrence: Millis): Promise<Job | null>;
  /** Newest first. */
  list(scheduleId: string, limit: number): Promise<Backfill[]>;
}

// Named blackouts

export type NewBlackout = Omit<NamedBlackout, "createdAt" | "updatedAt">;

export interface BlackoutSet {
  blackout: NamedBlackout;
  created: boolean;
  /** How many schedules have other spans now. */
  schedules: number;
}

/** Why a blackout was not deleted: schedules observe it. */
export interface BlackoutInUse {
  inUse: { id: string; name: string }[];
}

export interface BlackoutStore {
  /** By name. */
  list(page: PageRequest): Promise<Page<NamedBlackout>>;
  get(name: string): Promise<NamedBlackout | null>;
  /** Schedules, not deleted, that observe it; at most `limit`. */
  usersOf(name: string, limit: number): Promise<{ id: string; name: string }[]>;
  /** Makes it, or makes it so; each schedule that observes it is changed with it. */
  set(blackout: NewBlackout): Promise<BlackoutSet>;
  /** Null when there is none. */
  delete(name: string): Promise<NamedBlackout | null | BlackoutInUse>;
}

// Attestations

export interface NewAttestation {
  id: string;
  subjects: readonly string[];
  predicates: readonly string[];
  contexts: readonly string[];
  actors: readonly string[];
  timestamp: Millis | null;
  source: string;
  attributes: Record<string, Json>;
}

export interface AttestationStore {
  /** Writes statements; one whose id exists is left as it is. Returns those that were written. */
  create(attestations: readonly NewAttestation[]): Promise<Attestation[]>;
  get(id: string): Promise<Attestation | null>;
  /** Last written first. */
  query(filter: AttestationFilter): Promise<Attestation[]>;
  count(): Promise<number>;
}

// Logs, nodes, audit

/** A stored line of a job. `seq` counts from 1 without gaps, but for a marked one. */
export interface LogLine {
  seq: number;
  at: Millis;
  attempt: number;
  level: string;
  message: string;
  stage: string;
  fields: string;
}

export type NewLogLine = Omit<LogLine, "seq">;

export interface LogStore {
  /** Takes lines at once and makes them durable within a second. Beyond the job's cap they become one marker. */
  append(jobId: string, lines: readonly NewLogLine[]): void;
  /** Lines with `seq > after`, in order. */
  read(jobId: string, request: { after?: number; limit?: number }): Promise<LogLine[]>;
  flush(): Promise<void>;
}

export interface BootLease {
  bootId: string;
  nodeId: string;
  version: string;
  leaseMs: Millis;
  /** True when the clock is believed: then the time is recorded, for the next boot to compare. */
  seen: boolean;
}

export interface NodeStore {
  /** The stable id of this node, made on first use. */
  nodeId(): Promise<string>;
  /** Says that a boot is alive for `leaseMs` from now. False when its lease was already taken from it. */
  renew(boot: BootLease): Promise<boolean>;
  /** The newest time that any boot recorded; null in a new store. */
  lastSeenAt(): Promise<Millis | null>;
  /** Ends a boot: its jobs may be taken at once. */
  release(bootId: string): Promise<void>;
  /** Forgets boots whose lease ended before then, and that hold nothing any more. */
  prune(request: PruneRequest): Promise<Pruned>;
}

export interface AuditEntry {
  id: string;
  at: Millis;
  principal: string;
  operation: string;
  subject: string;
  allowed: boolean;
  detail: string;
}

export interface AuditStore {
  add(entry: Omit<AuditEntry, "at">): Promise<void>;
  list(page: PageRequest): Promise<Page<AuditEntry>>;
  /** Removes the oldest entries, as far as they are from before then. */
  prune(request: PruneRequest): Promise<Pruned>;
}

export interface EventFilter {
  kind?: EventKind | undefined;
  subject?: string | undefined;
  /** Only events with a greater `seq`, the oldest first: for who follows. Absent: all, the newest first. */
  after?: number | undefined;
}

export interface EventStore {
  /** Writes an event. Of all that were ever written, the newest are kept. */
  add(event: NewEvent): Promise<Event>;
  list(filter: EventFilter, page: PageRequest): Promise<Page<Event>>;
  /** Removes the oldest events, as far as they are from before then. */
  prune(request: PruneRequest): Promise<Pruned>;
}

export interface Store {
  /** Who keeps the locks of occurrences. */
  readonly locksBy: LocksBy;
  readonly jobs: JobStore;
  readonly bulk: BulkStore;
  readonly flows: FlowStore;
  readonly schedules: ScheduleStore;
  readonly ledger: LedgerStore;
  readonly limits: LimitStore;
  readonly blackouts: BlackoutStore;
  readonly backfills: BackfillStore;
  readonly attestations: AttestationStore;
  readonly logs: LogStore;
  readonly nodes: NodeStore;
  readonly audit: AuditStore;
  readonly grants: GrantStore;
  readonly plugins: PluginStore;
  readonly events: EventStore;
  readonly locks: LockProvider;
  readonly objectives: ObjectiveStore;
  readonly webhooks: WebhookStore;
  /** Commits what is open and closes. */
  close(): Promise<void>;
}
