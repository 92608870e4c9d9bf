/**
 * Objectives: what is wanted of the runs of schedules, and which schedules miss it.
 * Watching and saying so happen in the writes that fire schedules and settle jobs;
 * here is the rest: judging runs whose time is over.
 */
import type { Millis } from "../base/env.ts";
import type { Objective } from "../schedule/objective.ts";

/** A run that has not done by now what its schedule wants of it. */
export interface DueObjective {
  scheduleId: string;
  node: string;
  occurrence: Millis;
  /** The lane in which its job waits; null when it waits for something else. */
  queuedIn: string | null;
}

/** The same, with why its lane does not move; null when nobody knows of a reason. */
export interface JudgedObjective extends Omit<DueObjective, "queuedIn"> {
  waiting: string | null;
}

/** A schedule that misses its objectives on a node, from the first occurrence that did until one meets them. */
export interface MissedObjective {
  scheduleId: string;
  name: string;
  node: string;
  since: Millis;
  /** The latest that missed them, and how many did. */
  occurrence: Millis;
  count: number;
  objective: Objective;
  reason: string;
}

export interface ObjectiveStore {
  /** Runs of this node that have not done what is wanted of them by now; only reads. */
  due(nodeId: string, limit: number): Promise<DueObjective[]>;
  /** Says of them that they miss it, unless they did it meanwhile. */
  judge(due: readonly JudgedObjective[]): Promise<void>;
  /** When the next run of this node must be looked at; null when none is watched. */
  nextDueAt(nodeId: string): Promise<Millis | null>;
  /** What is missed now, of one schedule or of all; what has been for longest comes first. */
  missed(request: { scheduleId?: string | undefined; limit: number }): Promise<MissedObjective[]>;
}
