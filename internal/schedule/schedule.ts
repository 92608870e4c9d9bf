/**
 * Schedule: the promise that a target runs at certain instants. A schedule has
 * exactly one spec (every, cron or at), exactly one target, and a revision that
 * grows with every change of its definition.
 *
 * An *occurrence* is a nominal instant of a schedule. Whatever happens to it,
 * it ends in exactly one recorded outcome: its row in the fire ledger.
 */
import type { Millis } from "../base/env.ts";
import type { RetryPolicy } from "../base/retry.ts";
import type { Pace } from "./pace.ts";

export type Spec =
  /** Every `everyMs` on the grid through the schedule's anchor; the anchor itself is not an occurrence. */
  | { kind: "every"; everyMs: Millis }
  /** Expressions joined: an occurrence of any is one. */
  | { kind: "cron"; cron: readonly string[] }
  | { kind: "at"; instants: readonly Millis[] };

export const SCHEDULE_STATES = ["active", "paused", "finished", "deleted"] as const;
export type ScheduleState = (typeof SCHEDULE_STATES)[number];

/** A schedule runs one of these. */
export type Target =
  | { kind: "handler"; handler: string }
  /** One of a plugin's own HTTP routes: `<plugin>/POST /sync`. */
  | { kind: "endpoint"; endpoint: string }
  | { kind: "agent"; agent: string };

/** Who may change the schedule: a configuration file, a plugin, or people. */
export interface Owner {
  kind: "file" | "plugin" | "person";
  name: string;
}

/** Across several nodes: one node fires an occurrence, or each fires its own copy. */
export const LOCKINGS = ["require-global", "prefer-global", "node-local"] as const;
export type Locking = (typeof LOCKINGS)[number];

export const MISSED_POLICIES = ["latest", "skip", "earliest", "all"] as const;
export type MissedPolicy = (typeof MISSED_POLICIES)[number];

export const OVERLAP_POLICIES = [
  "skip",
  "buffer-one",
  "buffer-all",
  "cancel-other",
  "terminate-other",
  "allow",
] as const;
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

/** How a schedule behaves when things are not as planned. Stored as one JSON value; a missing part is its default. */
export interface Policy {
  overlap: OverlapPolicy;
  missed: MissedPolicy;
  missedMax: number;
  missedWindowMs: Millis;
  /** An occurrence later than this never starts. */
  latenessMaxMs: Millis;
  jitterMs: Millis;
  dstGap: "run-after" | "skip";
  dstFold: "first" | "second" | "both";
  startAt: Millis | null;
  endAt: Millis | null;
  runsMax: number | null;
  retry: RetryPolicy | null;
  timeoutMs: Millis | null;
  maxAttempts: number | null;
  priority: number;
  /** Spans in which it does not fire: its own, and those of the named ones. */
  blackouts: readonly Blackout[];
  /** Named blackouts that it observes; their spans are among its blackouts. */
  blackoutNames: readonly string[];
  /** Failed runs in a row after which it is paused; null means never. */
  pauseAfterFailures: number | null;
  /** Objectives: how long after its time a run may start, and have succeeded; null means nobody asks. */
  mustStartWithinMs: Millis | null;
  mustSucceedWithinMs: Millis | null;
}

/** A span in which nothing fires: from `from` to before `to`. */
export interface Blackout {
  from: Millis;
  to: Millis;
  note: string;
  /** The named blackout that it is of; absent when the schedule says it itself. */
  of?: string;
}

export const POLICY_DEFAULT: Policy = {
  overlap: "skip",
  missed: "latest",
  missedMax: 10,
  missedWindowMs: 86_400_000,
  latenessMaxMs: 86_400_000,
  jitterMs: 0,
  dstGap: "run-after",
  dstFold: "first",
  startAt: null,
  endAt: null,
  runsMax: null,
  retry: null,
  timeoutMs: null,
  maxAttempts: null,
  priority: 0,
  blackouts: [],
  blackoutNames: [],
  pauseAfterFailures: null,
  mustStartWithinMs: null,
  mustSucceedWithinMs: null,
};

export interface Pause {
  note: string;
  by: string;
  at: Millis;
  until: Millis | null;
}

export interface Schedule {
  id: string;
  /** Unique among the owner's schedules that are not deleted; empty when it has none. */
  name: string;
  tenant: string;
  owner: Owner;
  /** The id under which a plugin declared it; empty when it was made at run time. */
  declaredId: string;
  target: Target;
  payload: Uint8Array;
  spec: Spec;
  /** IANA name. */
  timezone: string;
  /** The instant through which an `every` grid runs. */
  anchor: Millis;
  policy: Policy;
  locking: Locking;
  state: ScheduleState;
  pause: Pause | null;
  description: string;
  metadata: Record<string, string>;
  revision: number;
  /** Occurrences that became a job. */
  runCount: number;
  /** Runs that failed since one completed. */
  failures: number;
  /** How often it really runs, while its runs take longer than its interval. */
  slow: Pace | null;
  createdAt: Millis;
  updatedAt: Millis;
  /** The next occurrence that is not accounted for; null when paused, finished or deleted. */
  nextRunAt: Millis | null;
  lastRunAt: Millis | null;
  lastJobId: string | null;
}

/** What became of an occurrence. `pending` is the only one that is still open. */
export const OUTCOMES = [
  "pending",
  "fired",
  "fired-late",
  "caught-up",
  "coalesced",
  "skipped-overlap",
  "skipped-missed",
  "paused",
  "blackout",
  "quota",
  "expired",
  "other-node",
  "deleted",
] as const;
export type OccurrenceOutcome = (typeof OUTCOMES)[number];

/** Outcomes that mean: a job row exists. */
export const FIRED_OUTCOMES: readonly OccurrenceOutcome[] = ["fired", "fired-late", "caught-up"];

/** A ledger row: one occurrence, or a quiet range of `count` occurrences with one reason. */
export interface Occurrence {
  scheduleId: string;
  /** Nominal instant; of a range, the first. */
  occurrence: Millis;
  /** Empty unless the schedule is node-local. */
  node: string;
  outcome: OccurrenceOutcome;
  jobId: string | null;
  /** The job that a coalesced occurrence became part of, or that it would have overlapped. */
  relatedJobId: string | null;
  /** Last nominal instant of a range; equals `occurrence` for a single row. */
  lastOccurrence: Millis;
  count: number;
  decidedAt: Millis;
  revision: number;
  note: string;
  /** What the lock provider is asked for while it waits for its lock; null when it does not. */
  lockKey: string | null;
}

export const EVERY_MIN_MS = 1_000; // Below a second a schedule is a loop, and belongs into a plugin.
export const MISSED_AFTER_MS = 60_000; // Later than this, nobody was there: the missed-run policy decides, about all that are late.
export const LATE_AFTER_MS = 1_000; // Later than this, it fired, but says so.
export const SCHEDULE_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
export const CRON_TEXT_MAX = 256;
export const CRON_EXPRESSIONS_MAX = 16;
export const MISSED_MAX_MAX = 100; // Runs that `all` makes up for: more is a backfill, which somebody asks for.
export const OBJECTIVE_MIN_MS = 1_000; // The judge looks once a second.
export const OBJECTIVE_MAX_MS = 2_592_000_000; // Thirty days: a run that may take longer is not watched by the minute.
export const BLACKOUTS_MAX = 100;
export const AT_INSTANTS_MAX = 1_000;
