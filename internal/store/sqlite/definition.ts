/** Definition: the part of a schedule that people define, as columns, and what a change of it concerns. */
import type { Millis } from "../../base/env.ts";
import type { Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule, ScheduleChange } from "../schedules.ts";
import { targetText, writePolicy } from "./schedule-row.ts";

/** What people define of a schedule. */
export type Definition = Omit<NewSchedule, "id" | "paused" | "anchor"> & { anchor: Millis };

/** The columns of a schedule that its definition decides. */
export function columns(definition: Definition) {
  return {
    tenant: definition.tenant,
    name: definition.name,
    ownerKind: definition.owner.kind,
    ownerName: definition.owner.name,
    declaredId: definition.declaredId,
    targetKind: definition.target.kind,
    target: targetText(definition.target),
    spec: JSON.stringify(definition.spec),
    timezone: definition.timezone,
    anchor: definition.anchor,
    policy: writePolicy(definition.policy),
    locking: definition.locking,
    description: definition.description,
    metadata: JSON.stringify(definition.metadata),
    payload: new Uint8Array(definition.payload), // A Buffer with the same bytes is no change.
  };
}

/** Everything that decides when occurrences are: a change of it moves the cursor. */
export function timing({
  spec,
  timezone,
  anchor,
  policy,
  locking,
}: Pick<Schedule, "spec" | "timezone" | "anchor" | "policy" | "locking">): string {
  const { jitterMs, dstGap, dstFold, startAt, endAt, runsMax, blackouts } = policy;
  return JSON.stringify([
    spec,
    timezone,
    anchor,
    locking,
    jitterMs,
    dstGap,
    dstFold,
    startAt,
    endAt,
    runsMax,
    blackouts,
  ]);
}

/** What is wanted of its runs: a change of it is told to those who watch. */
export function objectives({
  policy: { mustStartWithinMs, mustSucceedWithinMs },
}: Pick<Schedule, "policy">): string {
  return JSON.stringify([mustStartWithinMs, mustSucceedWithinMs]);
}

/** True when a declaration says when as before. */
export function sameSpec(a: Pick<Schedule, "spec">, b: Pick<Schedule, "spec">): boolean {
  return JSON.stringify(a.spec) === JSON.stringify(b.spec);
}

/** The fields of a change that were given. */
export function given(change: ScheduleChange): Partial<Definition> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
