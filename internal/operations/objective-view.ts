/** How a missed objective is shown: beside its schedule, on the status screen, by the doctor. */
import { formatInstant } from "../base/instant.ts";
import type { MissedObjective } from "../store/objectives.ts";
import type { Context } from "./operation.ts";

export interface MissedObjectiveView {
  scheduleId: string;
  name: string;
  /** Of a node-local schedule: the node on which it is missed. */
  node: string;
  objective: string;
  since: string;
  /** The latest occurrence that missed it, and how many did. */
  occurrence: string;
  occurrences: number;
  reason: string;
}

const MISSED_SHOWN_MAX = 100; // More than anybody reads; the longest missed come first.

/** What is missed now, by one schedule or by all. */
export async function missedObjectives(
  { store }: Pick<Context, "store">,
  scheduleId?: string,
): Promise<MissedObjectiveView[]> {
  const missed = await store.objectives.missed({ scheduleId, limit: MISSED_SHOWN_MAX });
  return missed.map(view);
}

/** One line: since when, how many, why. */
export function missedSentence({ since, occurrences, objective, reason }: MissedObjectiveView): string {
  const often = occurrences === 1 ? "one occurrence" : `${occurrences} occurrences`;
  return `since ${since}, ${often} did not ${objective} in time: ${reason}`;
}

function view({ since, occurrence, count, ...missed }: MissedObjective): MissedObjectiveView {
  return {
    ...missed,
    since: formatInstant(since),
    occurrence: formatInstant(occurrence),
    occurrences: count,
  };
}
