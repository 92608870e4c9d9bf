/**
 * What the quota of a plugin says of its schedules: how close their occurrences may be and what they may carry is seen
 * here, how many they are and how often they change is counted by the store, of people too where they have limits.
 */
import type { Principal } from "../access/principal.ts";
import { type Exceeded, exceeded, exceededByPeople, PEOPLE, type QuotaLimit } from "../access/quota.ts";
import { assert, type Fault } from "../base/fault.ts";
import { gapBelow } from "../schedule/gap.ts";
import { EVERY_MIN_MS } from "../schedule/schedule.ts";
import type { NewSchedule, ScheduleChanges } from "../store/schedules.ts";
import type { Context } from "./operation.ts";
import { bytesOf, payloadBytes } from "./payload.ts";
import { SCHEDULE_PAYLOAD_BYTES_MAX } from "./schedule-input.ts";

/** What changes schedules in the name of whoever asks. */
export function changesOf({ store, principal }: Pick<Context, "store" | "principal">): ScheduleChanges {
  if (principal.kind === "plugin") return store.schedules.within(principal);
  if (principal.kind === "host" || !principal.quota) return store.schedules;
  return store.schedules.within({ ...PEOPLE, quota: principal.quota });
}

/** Throws a Fault when a plugin's schedule would fire more often than it may. */
export function refuseOften(
  { env, principal }: Pick<Context, "env" | "principal">,
  { spec, timezone, policy }: Pick<NewSchedule, "spec" | "timezone" | "policy">,
): void {
  if (principal.kind !== "plugin") return;
  const { quota, plugin } = principal;
  const limit: QuotaLimit = "scheduleInterval";
  if (quota[limit] <= EVERY_MIN_MS) return; // So far apart they are all.
  const { dstGap, dstFold } = policy;
  const gap = gapBelow({ spec, timezone, dstGap, dstFold }, quota[limit], env.now());
  if (gap === null) return;
  throw exceeded(plugin, { limit, allows: quota[limit], used: gap, field: spec.kind });
}

/** The refusal of a change that the store has counted. */
export function quotaFault(principal: Principal, what: Exceeded): Fault {
  assert(principal.kind !== "host", "the host is not metered");
  return principal.kind === "plugin" ? exceeded(principal.plugin, what) : exceededByPeople(what);
}

/** The payload of a schedule. Throws a Fault when it has more bytes than it may. */
export function schedulePayload({ principal }: Pick<Context, "principal">, payload: unknown): Uint8Array {
  if (principal.kind !== "plugin") return payloadBytes(payload, "payload", SCHEDULE_PAYLOAD_BYTES_MAX);
  const bytes = bytesOf(payload, "payload");
  const limit: QuotaLimit = "schedulePayloadBytes";
  const allows = principal.quota[limit];
  if (bytes.length <= allows) return bytes;
  throw exceeded(principal.plugin, { limit, allows, used: bytes.length, field: "payload" });
}
