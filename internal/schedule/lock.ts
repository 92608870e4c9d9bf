/**
 * Lock: what an occurrence asks a lock provider for, where hosts that share no store
 * run the same schedules and a plugin keeps their locks.
 *
 * Ids differ from store to store, so the key is made of what two hosts have in
 * common: tenant, owner, the declared id or name, and the nominal instant.
 */
import type { Millis } from "../base/env.ts";
import { fieldFault } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import type { Locking, Policy, Schedule, Spec } from "./schedule.ts";

/** Who keeps the locks of occurrences: the store, nobody, or the plugin of this name. */
export type LocksBy = "store" | "none" | { plugin: string };

/** By how much clocks of two hosts may differ before one starts what the other's lock no longer covers. */
const CLOCKS_APART_MS: Millis = 600_000;

/**
 * True when an occurrence of the schedule must be locked before it may run. With the store as
 * the provider its rows are the lock; where nobody keeps locks, what needs one waits in vain.
 */
export function asksForLocks(by: LocksBy, { locking }: Pick<Schedule, "locking">): boolean {
  if (by === "store" || locking === "node-local") return false;
  return by === "none" ? locking === "require-global" : true;
}

/** Throws a Fault for a hint that nobody could honour: several hosts would fire each occurrence, or none could. */
export function refuseUnlockable(by: LocksBy, locking: Locking): void {
  if (by !== "none" || locking !== "require-global") return;
  throw fieldFault(
    "locking",
    'require-global needs somebody who keeps locks, and [locks] provider is "none".',
    "Choose prefer-global or node-local, so that each host fires its own, or name a lock provider.",
  );
}

/**
 * The key of an occurrence. A schedule that was made without a name shares it with nobody.
 * Each part is escaped, so that no two schedules meet under one key.
 */
export function lockKey(
  { id, tenant, owner, declaredId, name }: Pick<Schedule, "id" | "tenant" | "owner" | "declaredId" | "name">,
  occurrence: Millis,
): string {
  const called = declaredId === "" ? name || id : `@${declaredId}`; // What was made at run time may have the name of it.
  const parts = [tenant, `${owner.kind}:${owner.name}`, called, formatInstant(occurrence)];
  return `schedule/${parts.map((part) => part.replaceAll("%", "%25").replaceAll("/", "%2F")).join("/")}`;
}

/** How long its lock is kept, whatever becomes of the run: as long as anybody could still start the occurrence. */
export function lockTtlMs({ missedWindowMs, latenessMaxMs, jitterMs }: Policy): Millis {
  return Math.max(missedWindowMs, latenessMaxMs) + jitterMs + CLOCKS_APART_MS;
}

/** The anchor of a grid: 1970 where hosts must agree on the occurrences without knowing each other, or what it would be `otherwise`. */
export function gridAnchor(
  by: LocksBy,
  schedule: Pick<Schedule, "locking"> & { spec: Spec },
  otherwise: Millis,
): Millis {
  return schedule.spec.kind === "every" && asksForLocks(by, schedule) ? 0 : otherwise;
}
