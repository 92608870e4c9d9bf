/** How a schedule is shown: the JSON of `--json`, the HTTP API and the panel. */
import { laneOfRuns } from "../schedule/run.ts";
import type { Json } from "../ats/attestation.ts";
import { formatDuration } from "../base/duration.ts";
import { formatRetry } from "../base/retry.ts";
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import type { Pace } from "../schedule/pace.ts";
import { ownSpans } from "../schedule/named-blackout.ts";
import type { Occurrence, OccurrenceOutcome, Policy, Schedule, ScheduleState } from "../schedule/schedule.ts";
import { shownBytes } from "./payload.ts";

export interface ScheduleView {
  id: string;
  name: string;
  state: ScheduleState;
  /** Exactly one of handler and endpoint is not null. */
  handler: string | null;
  endpoint: string | null;
  /** Exactly one of every, cron and at is not null. */
  every: string | null;
  everyMs: number | null;
  cron: readonly string[] | null;
  at: readonly string[] | null;
  timezone: string;
  nextRunAt: string | null;
  lastRunAt: string | null;
  lastJobId: string | null;
  runCount: number;
  failures: number;
  /** How often it really runs, while its runs take longer than its interval; otherwise null. */
  effective: string | null;
  effectiveMs: number | null;
  /** What somebody should know about it, in one sentence. */
  warning: string | null;
  pause: { note: string; by: string; at: string; until: string | null } | null;
  payload: Json;
  overlap: string;
  missed: string;
  missedMax: number;
  missedWindowMs: number;
  maxLatenessMs: number;
  dstGap: string;
  dstFold: string;
  startAt: string | null;
  endAt: string | null;
  runsMax: number | null;
  /** Names of blackouts, and spans of its own. */
  blackouts: (string | { from: string; to: string; note: string })[];
  pauseAfterFailures: number | null;
  mustStartWithinMs: number | null;
  mustSucceedWithinMs: number | null;
  jitterMs: number;
  timeoutMs: number | null;
  maxAttempts: number | null;
  retry: string | null;
  priority: number;
  locking: string;
  owner: string;
  declaredId: string | null;
  description: string;
  metadata: Record<string, string>;
  revision: number;
  createdAt: string;
  updatedAt: string;
}

const instant = (at: Millis | null): string | null => (at === null ? null : formatInstant(at));

/** Makes the view of a schedule. */
export function viewSchedule(schedule: Schedule): ScheduleView {
  const { spec, policy, pause } = schedule;
  const everyMs = spec.kind === "every" ? spec.everyMs : null;
  return {
    id: schedule.id,
    name: schedule.name,
    state: schedule.state,
    handler: schedule.target.kind === "handler" ? laneOfRuns(schedule) : null,
    endpoint: schedule.target.kind === "endpoint" ? laneOfRuns(schedule) : null,
    every: everyMs === null ? null : formatDuration(everyMs),
    everyMs,
    cron: spec.kind === "cron" ? spec.cron : null,
    at: spec.kind === "at" ? spec.instants.map(formatInstant) : null,
    timezone: schedule.timezone,
    nextRunAt: instant(schedule.nextRunAt),
    lastRunAt: instant(schedule.lastRunAt),
    lastJobId: schedule.lastJobId,
    runCount: schedule.runCount,
    failures: schedule.failures,
    effective: schedule.slow && formatDuration(schedule.slow.effectiveMs),
    effectiveMs: schedule.slow && schedule.slow.effectiveMs,
    warning: schedule.slow && slowness(schedule.slow),
    pause: pause && {
      note: pause.note,
      by: pause.by,
      at: formatInstant(pause.at),
      until: instant(pause.until),
    },
    payload: shownBytes(schedule.payload),
    overlap: policy.overlap,
    missed: policy.missed,
    missedMax: policy.missedMax,
    missedWindowMs: policy.missedWindowMs,
    maxLatenessMs: policy.latenessMaxMs,
    dstGap: policy.dstGap,
    dstFold: policy.dstFold,
    startAt: instant(policy.startAt),
    endAt: instant(policy.endAt),
    runsMax: policy.runsMax,
    blackouts: viewBlackouts(policy),
    pauseAfterFailures: policy.pauseAfterFailures,
    mustStartWithinMs: policy.mustStartWithinMs,
    mustSucceedWithinMs: policy.mustSucceedWithinMs,
    jitterMs: policy.jitterMs,
    timeoutMs: policy.timeoutMs,
    maxAttempts: policy.maxAttempts,
    retry: policy.retry && formatRetry(policy.retry),
    priority: policy.priority,
    locking: schedule.locking,
    owner: `${schedule.owner.kind}:${schedule.owner.name}`,
    declaredId: schedule.declaredId || null,
    description: schedule.description,
    metadata: schedule.metadata,
    revision: schedule.revision,
    createdAt: formatInstant(schedule.createdAt),
    updatedAt: formatInstant(schedule.updatedAt),
  };
}

function viewBlackouts(policy: Policy): ScheduleView["blackouts"] {
  const spans = ownSpans(policy).map(({ from, to, note }) => ({
    from: formatInstant(from),
    to: formatInstant(to),
    note,
  }));
  return [...policy.blackoutNames, ...spans];
}

function slowness({ everyMs, effectiveMs, tookMs }: Pace): string {
  const [every, effective, took] = [everyMs, effectiveMs, tookMs].map(formatDuration);
  return `Its runs take ${took}, longer than the ${every} between them: it really runs every ${effective}.`;
}

export interface OccurrenceView {
  occurrence: string;
  outcome: OccurrenceOutcome;
  jobId: string | null;
  relatedJobId: string | null;
  /** Of a quiet range: its last occurrence and how many there are. */
  lastOccurrence: string;
  count: number;
  decidedAt: string;
  revision: number;
  node: string;
  note: string;
}

/** Makes the view of a ledger row. */
export function viewOccurrence(row: Occurrence): OccurrenceView {
  return {
    occurrence: formatInstant(row.occurrence),
    outcome: row.outcome,
    jobId: row.jobId,
    relatedJobId: row.relatedJobId,
    lastOccurrence: formatInstant(row.lastOccurrence),
    count: row.count,
    decidedAt: formatInstant(row.decidedAt),
    revision: row.revision,
    node: row.node,
    note: row.note,
  };
}
