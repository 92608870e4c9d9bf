/**
 * Run: the job that a schedule asks for, whoever has it made: its plan, a backfill, a
 * person. Each of the three adds why and when; what is run, and how, is said here alone,
 * so that a policy that comes is one of all three.
 */
import { assert } from "../base/fault.ts";
import type { NewJob } from "../job/job.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import type { Policy, Schedule } from "./schedule.ts";

/** What of a schedule its runs have. */
export interface Runnable extends Pick<
  Schedule,
  "id" | "target" | "payload" | "tenant" | "owner" | "declaredId"
> {
  policy: Pick<Policy, "priority" | "maxAttempts" | "retry" | "timeoutMs">;
}

type Run = Omit<NewJob, "id" | "source"> & Required<Pick<NewJob, "plugin" | "priority">>;

/** The lane of a schedule's runs; null for one that has no handler. */
export function laneOfRuns({ target, tenant }: Pick<Schedule, "target" | "tenant">): string | null {
  return target.kind === "handler" ? laneOf({ tenant, handler: target.handler }) : null;
}

/** The job of a schedule, without what makes it this one: an id, who asks for it, and its occurrence. */
export function runOf({ id, target, payload, tenant, owner, declaredId, policy }: Runnable): Run {
  assert(target.kind === "handler", `schedule ${id} has a handler`);
  const { plugin, handler } = partsOf(target.handler);
  return {
    handler,
    plugin,
    payload,
    tenant,
    owner: `${owner.kind}:${owner.name}`,
    declaredId,
    priority: policy.priority,
    maxAttempts: policy.maxAttempts ?? undefined,
    retry: policy.retry ?? undefined,
    timeoutMs: policy.timeoutMs ?? undefined,
  };
}
