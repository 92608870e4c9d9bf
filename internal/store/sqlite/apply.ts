/**
 * Apply: several changes of schedules in one transaction. Every step is checked
 * against what its maker had found before the first one is taken, because one step
 * may move another schedule on (a named blackout changes all who observe it). Whatever
 * is refused undoes everything.
 */
import type { Schedule } from "../../schedule/schedule.ts";
import type { ScheduleChange, ScheduleRefusal, ScheduleStep } from "../store.ts";
import type { SqliteBlackouts } from "./blackouts.ts";
import type { GroupCommit } from "./group.ts";

type Answer = Schedule | ScheduleRefusal;

/** The verbs of SqliteSchedules that work inside the caller's transaction. */
interface Verbs {
  readonly blackouts: SqliteBlackouts;
  /** The schedule as it stands, or why it cannot be changed. */
  findNow(id: string): Answer;
  createNow(schedule: Extract<ScheduleStep, { kind: "create" }>["schedule"]): Answer;
  updateNow(id: string, change: ScheduleChange): Answer;
  pauseNow(id: string, pause: { note: string; by: string; until: number | null }): Answer;
  resumeNow(id: string): Answer;
  deleteNow(id: string, by: string): Answer;
}

/** Thrown to undo a transaction; never leaves this file. */
class Refused extends Error {
  readonly refusal: ScheduleRefusal;

  constructor(refusal: ScheduleRefusal) {
    super(refusal.refused);
    this.refusal = refusal;
  }
}

/** Does all of the steps, or none. Null when they are done. */
export async function applySteps(
  group: GroupCommit,
  verbs: Verbs,
  steps: readonly ScheduleStep[],
): Promise<ScheduleRefusal | null> {
  try {
    await group.write(() => {
      for (const step of steps) guard(verbs, step);
      for (const step of steps) take(verbs, step);
    });
    return null;
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

/** Somebody else may have been faster since the steps were thought of. */
function guard(verbs: Verbs, step: ScheduleStep): void {
  if (step.kind !== "change" && step.kind !== "delete") return;
  const found = done(verbs.findNow(step.id));
  if (found.revision !== step.revision || found.state !== step.state)
    throw new Refused({ refused: "revision", schedule: found });
}

function take(verbs: Verbs, step: ScheduleStep): void {
  if (step.kind === "blackout") verbs.blackouts.setNow(step.blackout);
  else if (step.kind === "create") done(verbs.createNow(step.schedule));
  else if (step.kind === "delete") done(verbs.deleteNow(step.id, step.by));
  else {
    if (step.change) done(verbs.updateNow(step.id, step.change));
    if (step.pause) done(verbs.pauseNow(step.id, step.pause));
    if (step.pause === null) done(verbs.resumeNow(step.id));
  }
}

function done(answer: Answer): Schedule {
  if ("refused" in answer) throw new Refused(answer);
  return answer;
}
