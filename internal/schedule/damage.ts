/**
 * Damage: what the core never leaves behind, and nobody would look after again: a
 * hand in the database, a backup that was put together of two, a fault of our own.
 */
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";

export type Damage = { scheduleId: string; node: string } & (
  | { kind: "idle" }
  | { kind: "cursor-gone" }
  | { kind: "run-gone"; occurrence: Millis; jobId: string; ended: boolean }
  | { kind: "left-open"; occurrence: Millis }
);

/** What is wrong, in a sentence. */
export function damageSentence(damage: Damage): string {
  const schedule = `schedule ${damage.scheduleId}`;
  switch (damage.kind) {
    case "idle":
      return `Schedule ${damage.scheduleId} has no next run.`;
    case "cursor-gone":
      return `Where ${schedule} stands is gone.`;
    case "run-gone":
      return `Job ${damage.jobId} is gone, the run of ${schedule} for ${formatInstant(damage.occurrence)}${damage.ended ? ", which had ended" : ""}.`;
    case "left-open":
      return `Nobody closes the occurrence ${formatInstant(damage.occurrence)} of ${schedule}.`;
  }
}

/** What was done about it, and how it ended. */
export type Repair = "restarted" | "restored" | "made-again" | "noted" | "looked-at" | "closed";

const REPAIRS: Record<Repair, string> = {
  restarted: "It goes on where it stood; what was due since is made up for by its missed-run policy.",
  restored: "It stands there again.",
  "made-again": "The job was made again, under the same id.",
  noted: "The ledger says so; it does not run again.",
  "looked-at": "It is looked at now.",
  closed: "It is closed.",
};

/** What was wrong and what was done, in two sentences. */
export function repairSentence(damage: Damage, repair: Repair): string {
  return `${damageSentence(damage)} ${REPAIRS[repair]}`;
}
