/**
 * Apply: several changes of schedules in one transaction. Every step is checked
 * against what its maker had found before the first one is taken, because one step
 * may move another schedule on (a named blackout changes all who observe it). Whatever
 * is refused undoes everything.
 */
import type { Schedule } from "../../schedule/schedule.ts";
import type { ScheduleRefusal, ScheduleStep } from "../schedules.ts";
import type { SqliteBlackouts } from "./blackouts.ts";
import type { GroupCommit } from "./group.ts";
import type { ScheduleVerbs } from "./schedule-verbs.ts";

type Answer = Schedule | ScheduleRefusal;

/** Who takes the steps, inside the caller's transaction. */
export interface Takers {
  verbs: ScheduleVerbs;
  blackouts: SqliteBlackouts;
}

/** Thrown to undo a transaction; never leaves this file. */
class Refused extends Error {
  readonly refusal: ScheduleRefusal;

  constructor(refusal: ScheduleRefusal) {
    super(refusal.refused);
    this.refusal = refusal;
  }
}

/** Who counts the steps. */
interface Meter {
  refuse(): ScheduleRefusal | null;
  note(): void;
}

/** Does all of the steps, or none. Null when they are done. */
export async function applySteps(
  group: GroupCommit,
  takers: Takers,
  steps: readonly ScheduleStep[],
  meter?: Meter,
): Promise<ScheduleRefusal | null> {
  try {
    await group.write(() => {
      const refused = meter?.refuse();
      if (refused) throw new Refused(refused);
      for (const step of steps) guard(takers, step);
      for (const step of steps) take(takers, step);
      meter?.note();
    });
    return null;
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

/** Somebody else may have been faster since the steps were thought of. */
function guard({ verbs }: Takers, step: ScheduleStep): void {
  if (step.kind !== "change" && step.kind !== "delete") return;
  const found = done(verbs.find(step.id));
  if (found.revision !== step.revision || found.state !== step.state)
    throw new Refused({ refused: "revision", schedule: found });
}

function take({ verbs, blackouts }: Takers, step: ScheduleStep): void {
  if (step.kind === "blackout") blackouts.setNow(step.blackout);
  else if (step.kind === "create") done(verbs.create(step.schedule));
  else if (step.kind === "delete") done(verbs.delete(step.id, step.by));
  else {
    if (step.change) done(verbs.update(step.id, step.change));
    if (step.pause) done(verbs.pause(step.id, step.pause));
    if (step.pause === null) done(verbs.resume(step.id));
  }
}

function done(answer: Answer): Schedule {
  if ("refused" in answer) throw new Refused(answer);
  return answer;
}
