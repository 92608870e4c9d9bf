/** The seam of schedules: their definitions, and what became of their occurrences. */
import type { Millis } from "../base/env.ts";
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
import type { Exceeded, Metered, ScheduleQuota } from "../access/quota.ts";
import type { NewBlackout } from "./blackouts.ts";
import type { LockVerdict, LockWait } from "./locks.ts";
import type { Page, PageRequest } from "./page.ts";

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
  | { refused: "name-taken"; schedule: Schedule }
  /** Only where changes are counted. */
  | { refused: "quota"; exceeded: Exceeded };

/** What a fire step did. */
export interface Fired {
  /** Schedules that were due and are accounted for now. */
  settled: number;
  jobs: { id: string; scheduleId: string; occurrence: Millis }[];
  /** True when some of them start later: runs that are made up for start some milliseconds apart. */
  delayed: boolean;
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

/** What a plugin has of what its quota counts. */
export interface ScheduleUse {
  schedules: number;
  /** Within the minute that ends now. */
  scheduleWritesPerMinute: number;
  /** Of the schedule that carries most. */
  schedulePayloadBytes: number;
}

/** Whose changes of schedules are counted, and how many may be. */
export type MeteredSchedules = Omit<Metered, "quota"> & { quota: ScheduleQuota };

/** What changes schedules. */
export interface ScheduleChanges {
  create(schedule: NewSchedule): Promise<Schedule | ScheduleRefusal>;
  update(id: string, change: ScheduleChange, revision?: number): Promise<Schedule | ScheduleRefusal>;
  pause(
    id: string,
    pause: { note: string; by: string; until: Millis | null },
  ): Promise<Schedule | ScheduleRefusal>;
  /** Occurrences of the pause are recorded as `paused`; the next one is after now. */
  resume(id: string): Promise<Schedule | ScheduleRefusal>;
  /** Soft: the row and its ledger stay. Of a plugin's own, the last ones that it deleted keep payload and metadata: as many as it may have. */
  delete(id: string, by: string): Promise<Schedule | ScheduleRefusal>;
  /** Does all of the steps in one transaction, or, when one is refused, none. Null when they are done. */
  apply(steps: readonly ScheduleStep[]): Promise<ScheduleRefusal | null>;
  /** Makes the declared schedules of an owner equal to the list; what people paused or deleted stays so. */
  declare(owner: Owner, declared: readonly NewSchedule[]): Promise<DeclaredChange[]>;
}

/** What says who may see a schedule. */
export type WhoseSchedule = Pick<Schedule, "tenant" | "owner">;

export interface ScheduleStore extends ScheduleChanges {
  /**
   * The same verbs for a plugin, or for people: how many schedules it has and how often it changes them is counted in the transaction
   * of the change. One that its quota does not allow changes nothing and does not count; of declared ones, which are not
   * counted as changes, too many throw a Fault.
   */
  within(metered: MeteredSchedules): ScheduleChanges;
  /** How much of its quota a plugin has used, or people. */
  quotaUse(metered: Omit<Metered, "quota">): Promise<ScheduleUse>;
  get(id: string): Promise<Schedule | null>;
  /** Whose it is, without reading it: who may not see it shall not notice by the time that it is there. */
  whose(id: string): Promise<WhoseSchedule | null>;
  /** Schedules, not deleted, that have this name; more than one when several owners use it. */
  named(name: string): Promise<Schedule[]>;
  /** The schedule that an owner declared under an id, deleted ones too; null when there is none. */
  declaredAs(owner: Owner, declaredId: string, tenant: string): Promise<Schedule | null>;
  /** Full ids that end or start with `part`; at most `limit`. */
  find(part: string, limit: number): Promise<string[]>;
  /** Oldest first. */
  list(filter: ScheduleFilter, page: PageRequest): Promise<Page<Schedule>>;
  /** Active schedules that call endpoints of a plugin, whoever's they are. */
  callers(of: { plugin: string; tenant: string }): Promise<Schedule[]>;
  /** Active schedules by their next run, the soonest first. */
  upcoming(limit: number): Promise<Schedule[]>;
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
