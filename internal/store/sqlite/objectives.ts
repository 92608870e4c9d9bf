/**
 * Objectives in SQLite: which runs are watched until they have met or missed what
 * their schedule wants of them, and which schedules miss it now. Every step runs
 * inside the caller's transaction, and so do the events that it makes.
 *
 * A run is looked at when its deadline comes and when it ends; a schedule without
 * objectives costs nothing, and one with them what is due of it.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { formatInstant } from "../../base/instant.ts";
import type { EventData } from "../../event/event.ts";
import type { JobError, JobState } from "../../job/job.ts";
import {
  firstDeadline,
  hasObjectives,
  isMissed,
  judge,
  missedSentence,
  missedWithoutRun,
  type Objective,
  type WatchedRun,
  whyMissed,
  whyWithoutRun,
} from "../../schedule/objective.ts";
import { outside } from "../../schedule/blackout.ts";
import { effectiveAt } from "../../schedule/jitter.ts";
import { recurrence } from "../../schedule/recurrence.ts";
import type { DecidedRow } from "../../schedule/rows.ts";
import type { OccurrenceOutcome, Policy, Spec } from "../../schedule/schedule.ts";
import type { DueObjective, JudgedObjective, MissedObjective, ObjectiveStore } from "../objectives.ts";
import { Alone } from "./alone.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";
import { readPolicy, type ScheduleCursorRow } from "./schedule-row.ts";

type Values = Record<string, string | number | null>;

interface WatchRow {
  schedule_id: string;
  node: string;
  occurrence: number;
  effective_at: number;
  name: string;
  policy: string;
  /** Null when the ledger has no such row. */
  outcome: OccurrenceOutcome | null;
  note: string;
  related_job_id: string | null;
  job_id: string | null;
  state: JobState;
  lane: string;
  run_at: number;
  started_at: number | null;
  finished_at: number | null;
  error: string | null;
}

interface MissedRow {
  schedule_id: string;
  node: string;
  since: number;
  occurrence: number;
  count: number;
  objective: Objective;
  reason: string;
}

/** Occurrences that missed what was wanted: one, or a range of them. */
interface Miss {
  occurrence: Millis;
  lastOccurrence: Millis;
  count: number;
  objective: Objective;
  why: string;
  jobId: string | null;
}

/** The schedule that something is said of. */
interface Subject {
  id: string;
  name: string;
  node: string;
  policy: Policy;
}

export class SqliteObjectives implements ObjectiveStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #events: SqliteEvents;
  readonly #alone: Alone;
  readonly #watch: Statement<unknown, [Values]>;
  readonly #watched: Statement<WatchRow, [Values]>;
  readonly #ofJob: Statement<WatchRow, [Values]>;
  readonly #due: Statement<WatchRow, [Values]>;
  readonly #nextDue: Statement<{ due_at: number | null }, [Values]>;
  readonly #lookAgain: Statement<unknown, [Values]>;
  readonly #unwatch: Statement<unknown, [Values]>;
  readonly #unwatchWaiting: Statement<unknown, [Values]>;
  readonly #unwatchAll: Statement<unknown, [Values]>;
  readonly #poke: Statement<unknown, [Values]>;
  readonly #miss: Statement<{ count: number }, [Values]>;
  readonly #recover: Statement<MissedRow, [Values]>;
  readonly #drop: Statement<MissedRow, [Values]>;
  readonly #missed: Statement<MissedRow & { name: string }, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit, events: SqliteEvents) {
    this.#env = env;
    this.#group = group;
    this.#events = events;
    this.#alone = new Alone(db);
    this.#watch = db.prepare(WATCH);
    this.#watched = db.prepare(WATCHED);
    this.#ofJob = db.prepare(OF_JOB);
    this.#due = db.prepare(OBJECTIVES_DUE_SQL);
    this.#nextDue = db.prepare("SELECT MIN(due_at) AS due_at FROM objective_watch WHERE node = $node");
    this.#lookAgain = db.prepare(LOOK_AGAIN);
    this.#unwatch = db.prepare(UNWATCH);
    this.#unwatchWaiting = db.prepare(UNWATCH_WAITING);
    this.#unwatchAll = db.prepare("DELETE FROM objective_watch WHERE schedule_id = $id");
    this.#poke = db.prepare("UPDATE objective_watch SET due_at = effective_at WHERE schedule_id = $id");
    this.#miss = db.prepare(MISS);
    this.#recover = db.prepare(RECOVER);
    this.#drop = db.prepare(DROP);
    this.#missed = db.prepare(MISSED);
  }

  async due(nodeId: string, limit: number): Promise<DueObjective[]> {
    const now = this.#env.now();
    return ["", nodeId].flatMap((node) =>
      this.#due.all({ node, now, limit }).map((row) => ({
        scheduleId: row.schedule_id,
        node,
        occurrence: row.occurrence,
        queuedIn: row.job_id !== null && row.state === "queued" ? row.lane : null,
      })),
    );
  }

  /** What nobody can judge is watched no longer: it would be looked at for ever, and the others never. */
  judge(due: readonly JudgedObjective[]): Promise<void> {
    return this.#group.write((careful) => {
      for (const { scheduleId: id, node, occurrence, waiting } of due) {
        const row = this.#watched.get({ id, node, occurrence });
        if (!row) continue;
        if (!careful) this.#judge(row, waiting);
        else if (this.#alone.attempt(() => this.#judge(row, waiting)) !== null)
          this.#unwatch.run({ id, node, occurrence });
      }
    });
  }

  async nextDueAt(nodeId: string): Promise<Millis | null> {
    const times = ["", nodeId].flatMap((node) => this.#nextDue.get({ node })?.due_at ?? []);
    return times.length === 0 ? null : Math.min(...times);
  }

  async missed({
    scheduleId,
    limit,
  }: {
    scheduleId?: string | undefined;
    limit: number;
  }): Promise<MissedObjective[]> {
    return this.#missed.all({ id: scheduleId ?? null, limit }).map(readMissed);
  }

  /** An occurrence was decided: from now on its run is watched, or it has missed what was wanted. */
  decided(schedule: ScheduleCursorRow, row: DecidedRow, relatedJobId: string | null): void {
    const policy = readPolicy(schedule.policy);
    if (!hasObjectives(policy)) return;
    const { id, node } = schedule;
    const { occurrence, outcome } = row;
    if (row.fires || outcome === "pending") {
      const effectiveAt = timeOf(schedule, policy, occurrence);
      const dueAt = firstDeadline(policy, effectiveAt);
      this.#watch.run({ id, node, occurrence, effectiveAt, dueAt });
    } else if (this.#isMissed(policy, row)) {
      const objective = missedWithoutRun(policy);
      const why = whyWithoutRun(outcome, policy, relatedJobId);
      this.#sayMissed({ ...schedule, policy }, { ...row, objective, why, jobId: null });
    }
  }

  /** A waiting occurrence has come to its end without a run. */
  closed(
    schedule: ScheduleCursorRow,
    { occurrence, outcome }: Pick<DecidedRow, "occurrence" | "outcome">,
  ): void {
    const { id, node } = schedule;
    const { changes } = this.#unwatch.run({ id, node, occurrence });
    if (changes === 0 || !isMissed(outcome)) return;
    const policy = readPolicy(schedule.policy);
    const why = whyWithoutRun(outcome, policy, null);
    const objective = missedWithoutRun(policy);
    const miss = { occurrence, lastOccurrence: occurrence, count: 1, objective, why, jobId: null };
    this.#sayMissed({ ...schedule, policy }, miss);
  }

  /** A run has ended. */
  ended(run: { scheduleId: string; node: string; jobId: string }): void {
    const row = this.#ofJob.get({ id: run.scheduleId, node: run.node, jobId: run.jobId });
    if (row) this.#judge(row, null);
  }

  /** Waiting occurrences will not run, because the schedule is paused or gone: nobody wants anything of them. */
  forgetWaiting(id: string, node: string): void {
    this.#unwatchWaiting.run({ id, node });
  }

  /** What is wanted of a schedule has changed, or nothing is any more. */
  changed({ id, name }: Pick<Subject, "id" | "name">, policy: Policy | null): void {
    if (policy !== null && hasObjectives(policy)) return void this.#poke.run({ id });
    this.#unwatchAll.run({ id });
    for (const row of this.#drop.all({ id })) {
      const gone = policy === null ? "it is deleted" : "it has none any more";
      this.#events.addNow({
        kind: "schedule.objective-dropped",
        subject: id,
        message: `Schedule ${name || id} does not miss its objective any longer, because ${gone}.`,
        data: dataOf(name, row),
      });
    }
  }

  /** A run that makes up for others is late for them: they have missed it, unless there was time enough. */
  #isMissed(policy: Policy, { occurrence, outcome }: DecidedRow): boolean {
    if (outcome === "coalesced") return firstDeadline(policy, occurrence) <= this.#env.now();
    return isMissed(outcome);
  }

  #judge(row: WatchRow, waiting: string | null): void {
    const { schedule_id: id, node, occurrence } = row;
    if (row.outcome === null) return void this.#unwatch.run({ id, node, occurrence }); // By a hand in the database.
    const policy = readPolicy(row.policy);
    const run = readRun(row);
    const verdict = judge(policy, run, this.#env.now());
    if (verdict.kind === "open") {
      this.#lookAgain.run({ id, node, occurrence, dueAt: verdict.until });
      return;
    }
    this.#unwatch.run({ id, node, occurrence });
    const subject = { id, node, name: row.name, policy };
    if (verdict.kind === "met") return this.#sayMet(subject, occurrence);
    const { objective } = verdict;
    const why = whyMissed(run, objective, waiting);
    const jobId = row.job_id;
    this.#sayMissed(subject, { occurrence, lastOccurrence: occurrence, count: 1, objective, why, jobId });
  }

  #sayMissed({ id, name, node, policy }: Subject, miss: Miss): void {
    const { occurrence, lastOccurrence, count, objective, why, jobId } = miss;
    const now = this.#env.now();
    const kept = { id, node, now, occurrence: lastOccurrence, count, objective, reason: why, jobId };
    const total = this.#miss.get(kept)?.count ?? count;
    if (total > count) return; // It misses them already: that is said, and counted from now on.
    const withinMs = (objective === "start" ? policy.mustStartWithinMs : policy.mustSucceedWithinMs) ?? 0;
    this.#events.addNow({
      kind: "schedule.objective-missed",
      subject: id,
      message: missedSentence(name || id, { occurrence, objective, withinMs, why }),
      data: {
        schedule: name,
        node,
        occurrence: formatInstant(occurrence),
        occurrences: count,
        objective,
        withinMs,
        reason: why,
        jobId,
      },
    });
  }

  #sayMet({ id, name, node }: Subject, occurrence: Millis): void {
    const row = this.#recover.get({ id, node, occurrence });
    if (!row) return;
    const missed = row.count === 1 ? "one occurrence" : `${row.count} occurrences`;
    this.#events.addNow({
      kind: "schedule.objective-recovered",
      subject: id,
      message: `Schedule ${name || id} meets its objective again with the run of ${formatInstant(occurrence)}, after ${missed} that missed it.`,
      data: { ...dataOf(name, row), occurrence: formatInstant(occurrence) },
    });
  }
}

function dataOf(schedule: string, { node, since, count }: MissedRow): EventData {
  return { schedule, node, since: formatInstant(since), occurrences: count };
}

/** When an occurrence is to start. */
function timeOf(schedule: ScheduleCursorRow, policy: Policy, occurrence: Millis): Millis {
  if (policy.jitterMs === 0) return occurrence;
  const { dstGap, dstFold, blackouts } = policy;
  const spec = JSON.parse(schedule.spec) as Spec;
  const { timezone, anchor } = schedule;
  const every = recurrence({ spec, timezone, anchor, dstGap, dstFold });
  return effectiveAt(schedule.id, occurrence, policy, outside(every, blackouts));
}

function readMissed({ schedule_id: scheduleId, ...row }: MissedRow & { name: string }): MissedObjective {
  return { scheduleId, ...row };
}

function readRun(row: WatchRow): WatchedRun {
  const { occurrence, effective_at: effectiveAt, related_job_id: waitsFor, job_id: id } = row;
  const note = row.outcome === "pending" ? row.note : "its job is gone";
  if (id === null) return { occurrence, effectiveAt, waitsFor, note, job: null };
  const error = row.error === null ? "" : (JSON.parse(row.error) as JobError).message;
  const { state, lane, run_at: runAt, started_at: startedAt, finished_at: finishedAt } = row;
  const job = { id, state, lane, runAt, startedAt, finishedAt, error };
  return { occurrence, effectiveAt, waitsFor, note, job };
}

const WATCH = `
  INSERT INTO objective_watch (schedule_id, node, occurrence, effective_at, due_at)
  VALUES ($id, $node, $occurrence, $effectiveAt, $dueAt)`;

const RUN = `
  SELECT w.schedule_id, w.node, w.occurrence, w.effective_at, s.name, s.policy, o.outcome, o.note,
         o.related_job_id, j.id AS job_id, j.state, j.lane, j.run_at, j.first_started_at AS started_at, j.finished_at,
         j.error
    FROM objective_watch w
    JOIN schedule s ON s.id = w.schedule_id
    LEFT JOIN occurrence o ON o.schedule_id = w.schedule_id AND o.occurrence = w.occurrence AND o.node = w.node
    LEFT JOIN job j ON j.id = o.job_id`;

const WATCHED = `${RUN}
   WHERE w.schedule_id = $id
     AND w.node        = $node
     AND w.occurrence  = $occurrence`;

const OF_JOB = `${RUN}
   WHERE w.schedule_id = $id
     AND w.node        = $node
     AND w.occurrence  = (SELECT occurrence FROM job WHERE id = $jobId)`;

/** What the judge looks for, every second. */
export const OBJECTIVES_DUE_SQL = `${RUN}
   WHERE w.node    = $node
     AND w.due_at <= $now
   ORDER BY w.due_at
   LIMIT $limit + 0`;

const LOOK_AGAIN = `
  UPDATE objective_watch
     SET due_at = $dueAt
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence  = $occurrence`;

const UNWATCH = `
  DELETE FROM objective_watch
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence  = $occurrence`;

const UNWATCH_WAITING = `
  DELETE FROM objective_watch
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence IN (
           SELECT occurrence
             FROM occurrence INDEXED BY occurrence_pending
            WHERE schedule_id = $id
              AND node        = $node
              AND outcome     = 'pending')`;

// The first one makes the row: whoever gets back its own count began it. What a run says of itself is the better
// reason: an occurrence that was skipped can only point at that run.
const MISS = `
  INSERT INTO objective_missed (schedule_id, node, since, occurrence, count, objective, reason)
  VALUES ($id, $node, $now, $occurrence, $count, $objective, $reason)
  ON CONFLICT (schedule_id, node) DO UPDATE
     SET occurrence = MAX(occurrence, excluded.occurrence),
         count      = count + excluded.count,
         objective  = CASE WHEN $jobId IS NULL THEN objective ELSE excluded.objective END,
         reason     = CASE WHEN $jobId IS NULL THEN reason    ELSE excluded.reason    END
  RETURNING count`;

const RECOVER = `
  DELETE FROM objective_missed
   WHERE schedule_id = $id
     AND node        = $node
     AND occurrence  < $occurrence
  RETURNING *`;

const DROP = "DELETE FROM objective_missed WHERE schedule_id = $id RETURNING *";

const MISSED = `
  SELECT m.*, s.name
    FROM objective_missed m
    JOIN schedule s ON s.id = m.schedule_id
   WHERE $id IS NULL OR m.schedule_id = $id
   ORDER BY m.since, m.schedule_id
   LIMIT $limit + 0`;
