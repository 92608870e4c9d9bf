/** Rows of the schedule tables, and what they stand for. Our own database is trusted. */
import { Memo } from "../../schedule/memo.ts";
import type { Pace } from "../../schedule/pace.ts";
import {
  type Locking,
  type Occurrence,
  type OccurrenceOutcome,
  type Owner,
  type Pause,
  type Policy,
  POLICY_DEFAULT,
  type Schedule,
  type ScheduleState,
  type Spec,
  type Target,
} from "../../schedule/schedule.ts";

export interface ScheduleRow {
  id: string;
  tenant: string;
  name: string;
  owner_kind: Owner["kind"];
  owner_name: string;
  declared_id: string;
  declared_paused: number;
  target_kind: Target["kind"];
  target: string;
  spec: string;
  timezone: string;
  anchor: number;
  policy: string;
  locking: Locking;
  state: ScheduleState;
  pause: string | null;
  deleted_by: string | null;
  description: string;
  metadata: string;
  revision: number;
  run_count: number;
  failures: number;
  slow: string | null;
  last_run_at: number | null;
  last_job_id: string | null;
  created_at: number;
  updated_at: number;
  payload: Uint8Array;
}

/** What is needed of a schedule to fire it, with where it stands on one node. */
export interface ScheduleCursorRow extends Pick<
  ScheduleRow,
  | "id"
  | "tenant"
  | "name"
  | "owner_kind"
  | "owner_name"
  | "declared_id"
  | "target_kind"
  | "target"
  | "spec"
  | "timezone"
  | "anchor"
  | "policy"
  | "locking"
  | "state"
  | "pause"
  | "revision"
  | "run_count"
  | "payload"
> {
  node: string;
  accounted_until: number;
  next_occurrence: number | null;
  due_at: number | null;
  /** The job of an earlier occurrence that is not finished. */
  open_job: string | null;
  /** 1 when occurrences wait for its end, or for their locks. */
  awaited: number;
}

export interface OccurrenceRow {
  schedule_id: string;
  occurrence: number;
  node: string;
  outcome: OccurrenceOutcome;
  job_id: string | null;
  related_job_id: string | null;
  last_occurrence: number;
  count: number;
  decided_at: number;
  seen_at: number | null;
  revision: number;
  note: string;
  lock_key: string | null;
}

/** Makes a schedule of its row and the cursor that people see. */
export function readSchedule(row: ScheduleRow & { next_occurrence: number | null }): Schedule {
  return {
    id: row.id,
    name: row.name,
    tenant: row.tenant,
    owner: { kind: row.owner_kind, name: row.owner_name },
    declaredId: row.declared_id,
    target: readTarget(row.target_kind, row.target),
    payload: row.payload,
    spec: readSpec(row.spec),
    timezone: row.timezone,
    anchor: row.anchor,
    policy: readPolicy(row.policy),
    locking: row.locking,
    state: row.state,
    pause: row.state === "paused" ? readPause(row) : null,
    description: row.description,
    metadata: JSON.parse(row.metadata) as Record<string, string>,
    revision: row.revision,
    runCount: row.run_count,
    failures: row.failures,
    slow: readSlow(row),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    nextRunAt: row.state === "active" ? row.next_occurrence : null,
    lastRunAt: row.last_run_at,
    lastJobId: row.last_job_id,
  };
}

/** The pause of a schedule, or the one that a deleted schedule was in. */
export function readPause({ pause }: Pick<ScheduleRow, "pause">): Pause | null {
  return pause === null ? null : (JSON.parse(pause) as Pause);
}

/** The pace that was noticed under the definition in force. */
export function readSlow({ slow, revision }: Pick<ScheduleRow, "slow" | "revision">): Pace | null {
  if (slow === null) return null;
  const { revision: noticed, ...pace } = JSON.parse(slow) as Pace & { revision: number };
  return noticed === revision ? pace : null;
}

/** Only what differs from the defaults is stored, so that a default can be read from an old row. */
export function writePolicy(policy: Policy): string {
  const differs = Object.entries(policy).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(POLICY_DEFAULT[key as keyof Policy]),
  );
  return JSON.stringify(Object.fromEntries(differs));
}

/** Many schedules have the same words in these columns, and each is read several times for an occurrence. */
const TEXTS_MAX = 1_000;
const TEXT_CHARS_MAX = 1_000; // Some list a thousand instants or blackouts; those are read again.
const specs = new Memo(TEXTS_MAX, parseSpec);
const policies = new Memo(TEXTS_MAX, parsePolicy);

/** Reads what says when a schedule fires. What comes back is shared: nobody changes it. */
export function readSpec(text: string): Spec {
  return text.length <= TEXT_CHARS_MAX ? specs.get(text) : parseSpec(text);
}

/** Reads the policies that differ from the defaults, on top of them. Shared as well. */
export function readPolicy(text: string): Policy {
  if (text === "{}") return POLICY_DEFAULT;
  return text.length <= TEXT_CHARS_MAX ? policies.get(text) : parsePolicy(text);
}

function parseSpec(text: string): Spec {
  return JSON.parse(text) as Spec;
}

function parsePolicy(text: string): Policy {
  return { ...POLICY_DEFAULT, ...(JSON.parse(text) as Partial<Policy>) };
}

/** The one column that a target is kept in. */
export function targetText(target: Target): string {
  if (target.kind === "handler") return target.handler;
  return target.kind === "endpoint" ? target.endpoint : target.agent;
}

/** What a schedule runs, from its two columns. */
export function readTarget(kind: Target["kind"], text: string): Target {
  if (kind === "handler") return { kind, handler: text };
  return kind === "endpoint" ? { kind, endpoint: text } : { kind, agent: text };
}

export function readOccurrence(row: OccurrenceRow): Occurrence {
  return {
    scheduleId: row.schedule_id,
    occurrence: row.occurrence,
    node: row.node,
    outcome: row.outcome,
    jobId: row.job_id,
    relatedJobId: row.related_job_id,
    lastOccurrence: row.last_occurrence,
    count: row.count,
    decidedAt: row.decided_at,
    revision: row.revision,
    note: row.note,
    lockKey: row.lock_key,
  };
}
