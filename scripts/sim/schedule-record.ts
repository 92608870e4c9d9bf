/** Schedule record: what the rows of a schedule and its cursors say, in the words of the oracles. */
import type { Millis } from "../../internal/base/env.ts";
import type { Pause } from "../../internal/schedule/schedule.ts";
import type { CursorRecord, ScheduleRecord } from "./journal.ts";

/** True for a pause that its own declaration says, and may take back. */
export function isByPlugin({ pause, declaredId }: ScheduleRecord): boolean {
  return declaredId !== "" && pause !== null && (JSON.parse(pause) as Pause).by.startsWith("plugin:");
}

/** True for a pause that somebody asked for: who wants it to end must ask again. */
export function isByPeople({ pause }: ScheduleRecord): boolean {
  return pause !== null && (JSON.parse(pause) as Pause).by === "somebody";
}

/** When a pause ends by itself. */
export function untilOf({ pause }: ScheduleRecord): Millis {
  const until = pause === null ? null : (JSON.parse(pause) as Pause).until;
  return until ?? Number.POSITIVE_INFINITY;
}

/** When somebody must look at a cursor although its schedule is not active: when a pause ends, and never otherwise. */
export function endOfPause(schedule: ScheduleRecord, row: CursorRecord): Millis | null {
  if (schedule.state !== "paused" || !isCurrent(schedule, row)) return null;
  return (JSON.parse(schedule.pause ?? "{}") as Partial<Pause>).until ?? null;
}

/** A schedule that is not node-local has left the cursors of its nodes, and the other way round. */
export function isCurrent({ locking }: ScheduleRecord, { node }: CursorRecord): boolean {
  return (locking === "node-local") === (node !== "");
}

/** How a cursor is called. */
export function keyOf(scheduleId: string, node: string): string {
  return node === "" ? scheduleId : `${scheduleId}@${node}`;
}
