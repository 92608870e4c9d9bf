/**
 * Objective: what somebody wants of every run of a schedule: that it starts, that it
 * succeeds, within so long of its time. Its time is the effective one: jitter was
 * asked for, and is no lateness.
 *
 * An occurrence meets its objectives or misses them, once. A schedule misses them
 * from the first occurrence that did until a later one meets them; a hundred in a
 * row are one trouble, and are said as one.
 *
 * What was paused, lay in a blackout, was changed away or ran elsewhere was not
 * wanted, or not here, and counts as neither.
 */
import { formatDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import { isFinished, type JobState } from "../job/job.ts";
import type { OccurrenceOutcome, Policy } from "./schedule.ts";

export type Objective = "start" | "succeed";
export type Objectives = Pick<Policy, "mustStartWithinMs" | "mustSucceedWithinMs">;

/** The job of an occurrence, as far as it matters here. */
export interface WatchedJob {
  id: string;
  state: JobState;
  lane: string;
  runAt: Millis;
  startedAt: Millis | null;
  finishedAt: Millis | null;
  /** Why its last try failed; empty when none did. */
  error: string;
}

/** An occurrence that has, or will have, a run. */
export interface WatchedRun {
  occurrence: Millis;
  /** When it was to start. */
  effectiveAt: Millis;
  /** Null while it waits for its turn. */
  job: WatchedJob | null;
  /** The job that it waits for, where it waits for one. */
  waitsFor: string | null;
  /** What the ledger says about its waiting; empty when it says nothing. */
  note: string;
}

/** What can be said of a run by now. */
export type Verdict =
  { kind: "met" } | { kind: "missed"; objective: Objective } | { kind: "open"; until: Millis };

/** True when somebody wants something of this schedule's runs. */
export function hasObjectives({ mustStartWithinMs, mustSucceedWithinMs }: Objectives): boolean {
  return mustStartWithinMs !== null || mustSucceedWithinMs !== null;
}

/** Judges a run. `until` is the first millisecond at which an open one may be judged otherwise, unless it ends before. */
export function judge(
  { mustStartWithinMs, mustSucceedWithinMs }: Objectives,
  { effectiveAt, job }: WatchedRun,
  now: Millis,
): Verdict {
  const ended = job !== null && isFinished(job.state);
  const startBy = effectiveAt + (mustStartWithinMs ?? Number.POSITIVE_INFINITY);
  const succeedBy = effectiveAt + (mustSucceedWithinMs ?? Number.POSITIVE_INFINITY);
  const startedAt = job?.startedAt ?? (ended ? Number.POSITIVE_INFINITY : null);

  if ((startedAt ?? now) > startBy) return { kind: "missed", objective: "start" };
  if (mustSucceedWithinMs === null) {
    return startedAt === null ? { kind: "open", until: startBy + 1 } : { kind: "met" };
  }
  if (ended && job.state !== "completed") return { kind: "missed", objective: "succeed" };
  if ((job?.finishedAt ?? now) > succeedBy) return { kind: "missed", objective: "succeed" };
  if (ended) return { kind: "met" };
  return { kind: "open", until: Math.min(startedAt === null ? startBy : succeedBy, succeedBy) + 1 };
}

/** When the first of its objectives is missed if nothing happens. */
export function firstDeadline(
  { mustStartWithinMs, mustSucceedWithinMs }: Objectives,
  effectiveAt: Millis,
): Millis {
  const withinMs = Math.min(
    mustStartWithinMs ?? Number.POSITIVE_INFINITY,
    mustSucceedWithinMs ?? Number.POSITIVE_INFINITY,
  );
  return effectiveAt + withinMs + 1;
}

/** The objective that an occurrence without a run has missed: the tighter one, which comes first. */
export function missedWithoutRun({ mustStartWithinMs }: Objectives): Objective {
  return mustStartWithinMs === null ? "succeed" : "start";
}

/** Outcomes without a run that miss the objectives. */
export function isMissed(outcome: OccurrenceOutcome): boolean {
  return ["skipped-overlap", "skipped-missed", "coalesced", "expired", "quota"].includes(outcome);
}

/** Why a run has not done what was wanted, in the words of `explain`. `waiting`: why a queued job does not run, where somebody knows. */
export function whyMissed(
  { job, waitsFor, note, effectiveAt }: WatchedRun,
  objective: Objective,
  waiting: string | null,
): string {
  if (job === null) return note || `it waits for the run before it to end: job ${waitsFor ?? "unknown"}`;
  const { id, state, startedAt, finishedAt, error } = job;
  if (objective === "start" && startedAt !== null)
    return `job ${id} started ${formatDuration(startedAt - effectiveAt)} after its time`;
  if (state === "completed")
    return `job ${id} completed ${formatDuration((finishedAt ?? effectiveAt) - effectiveAt)} after its time`;
  if (isFinished(state)) return `job ${id} ${state}: ${error || "it gave no reason"}`;
  if (state === "running") return `job ${id} is running`;
  if (state === "retrying")
    return `job ${id} failed (${error}) and is tried again at ${formatInstant(job.runAt)}`;
  if (state === "paused") return `job ${id} waits for its turn`;
  if (state === "scheduled") return `job ${id} waits for ${formatInstant(job.runAt)}`;
  return `job ${id} is queued: ${waiting ?? "it waits for a free slot"}`;
}

/** Why occurrences without a run have none. */
export function whyWithoutRun(
  outcome: OccurrenceOutcome,
  { overlap, missed, latenessMaxMs }: Policy,
  relatedJobId: string | null,
): string {
  if (outcome === "skipped-overlap")
    return `the run before it had not ended (overlap: ${overlap}): job ${relatedJobId ?? "unknown"}`;
  if (outcome === "expired") return `it could not start within ${formatDuration(latenessMaxMs)} of its time`;
  if (outcome === "quota") return "a quota was used up";
  return `no host was there to start it (missed: ${missed})`;
}

/** What is said when a schedule begins to miss its objectives. */
export function missedSentence(
  label: string,
  {
    occurrence,
    objective,
    withinMs,
    why,
  }: { occurrence: Millis; objective: Objective; withinMs: Millis; why: string },
): string {
  const what = `did not ${objective} within ${formatDuration(withinMs)}`;
  return `Schedule ${label} misses its objective: the run of ${formatInstant(occurrence)} ${what}, because ${why}.`;
}
