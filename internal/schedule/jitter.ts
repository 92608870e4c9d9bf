/** Jitter: when an occurrence really starts. It spreads starts, and never changes which occurrence is which. */
import type { Millis } from "../base/env.ts";
import type { Recurrence } from "./recurrence.ts";
import type { Policy } from "./schedule.ts";

/**
 * When an occurrence really starts: its nominal instant plus a share of the jitter
 * that depends on nothing but the schedule and the instant, and never reaches the
 * occurrence after it.
 */
export function effectiveAt(
  scheduleId: string,
  occurrence: Millis,
  policy: Pick<Policy, "jitterMs">,
  recurrence: Recurrence,
): Millis {
  if (policy.jitterMs === 0) return occurrence;
  const following = recurrence.next(occurrence);
  const room = following === null ? policy.jitterMs : Math.min(policy.jitterMs, following - occurrence - 1);
  return occurrence + Math.floor(share(scheduleId, occurrence) * room);
}

/** A number in [0, 1) from the schedule and the instant: FNV-1a, enough to spread starts. */
function share(scheduleId: string, occurrence: Millis): number {
  let hash = 0x811c9dc5;
  for (const character of `${scheduleId}@${occurrence}`) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0) / 2 ** 32;
}
