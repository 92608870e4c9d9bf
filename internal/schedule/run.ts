/**
 * Run: the job that a schedule asks for, whoever has it made: its plan, a backfill, a
 * person. Each of the three adds why and when; what is run, and how, is said here alone,
 * so that a policy that comes is one of all three.
 */
import { assert } from "../base/fault.ts";
import type { NewJob } from "../job/job.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import type { Policy, Schedule, Target } from "./schedule.ts";

/** What of a schedule its runs have. */
export interface Runnable extends Pick<
  Schedule,
  "id" | "target" | "payload" | "tenant" | "owner" | "declaredId"
> {
  policy: Pick<Policy, "priority" | "maxAttempts" | "retry" | "timeoutMs">;
}

type Run = Omit<NewJob, "id" | "source"> & Required<Pick<NewJob, "plugin" | "priority">>;

/** The lane of a schedule's runs; null for one that runs nothing. */
export function laneOfRuns({ target, tenant }: Pick<Schedule, "target" | "tenant">): string | null {
  return target.kind === "agent" ? null : laneOf({ tenant, handler: lineOf(target) });
}

/** What a schedule runs, without its tenant: a handler, or an endpoint as `<plugin>/POST /sync`. */
function lineOf(target: Exclude<Target, { kind: "agent" }>): string {
  return target.kind === "handler" ? target.handler : target.endpoint;
}

/** The job of a schedule, without what makes it this one: an id, who asks for it, and its occurrence. */
export function runOf({ id, target, payload, tenant, owner, declaredId, policy }: Runnable): Run {
  assert(target.kind !== "agent", `schedule ${id} has something to run`);
  const { plugin, handler } = partsOf(lineOf(target));
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
