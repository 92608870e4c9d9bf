/**
 * Schedule oracle: follows every cursor and every row of the ledger through the
 * journal. Whenever a cursor has moved, the rows must account for exactly the
 * occurrences that the plan in force had in the span it moved over; nothing twice,
 * nothing left out, and a job for each that fired.
 */
import type { Millis } from "../../internal/base/env.ts";
import { isFinished } from "../../internal/job/job.ts";
import {
  FIRED_OUTCOMES,
  LATE_AFTER_MS,
  MISSED_AFTER_MS,
  type OccurrenceOutcome,
  type OverlapPolicy,
  type Policy,
} from "../../internal/schedule/schedule.ts";
import { CronWalk } from "./cron-walk.ts";
import { RETENTION } from "./host.ts";
import type { JobOracle } from "./job-oracle.ts";
import type { CursorRecord, JobRecord, OccurrenceRecord, RunsRecord, ScheduleRecord } from "./journal.ts";
import { LineOracle } from "./line-oracle.ts";
import type { LockServer } from "./locks.ts";
import type { ObjectiveOracle } from "./objective-oracle.ts";
import { complaintAbout, complaintAboutEnd, isMadeUp } from "./outcome-oracle.ts";
import { Plan } from "./plan.ts";
import { endOfPause, isByPeople, isByPlugin, isCurrent, keyOf, untilOf } from "./schedule-record.ts";
import type { World } from "./world.ts";

/** A schedule that is due and not accounted for this long after is forgotten. Tickers nap a second. */
const OVERDUE_MS = 5_000;

interface Cursor {
  key: string;
  row: CursorRecord;
  /** What was promised over the span that the next move will account for; null: nothing is. */
  inForce: Plan | null;
  /** The last move, and what it had to account for. */
  move: { from: Millis; to: Millis; plan: Plan | null };
  expected: number;
  recorded: number;
  /** The end of the newest ledger row. */
  lastRow: Millis;
  /** When rows were written last, and how many of them make up for what was missed. */
  decidedAt: Millis;
  madeUp: number;
}

export interface ScheduleOracleOptions {
  world: World;
  jobs: JobOracle;
  objectives: ObjectiveOracle;
  /** Null where the store keeps the locks. */
  locks: LockServer | null;
  /** Told that a cursor has accounted for more. */
  onMove: (key: string) => void;
}

export class ScheduleOracle {
  readonly schedules = new Map<string, ScheduleRecord>();
  readonly #walk = new CronWalk();
  readonly #plans = new Map<string, Plan>();
  readonly #cursors = new Map<string, Cursor>();
  /** Jobs and ledger rows of this turn that wait for each other. */
  readonly #loose = new Map<string, string>();
  readonly #touched = new Set<Cursor>();
  readonly #line: LineOracle;
  readonly #world: World;
  readonly #jobs: JobOracle;
  readonly #objectives: ObjectiveOracle;
  readonly #locks: LockServer | null;
  readonly #onMove: (key: string) => void;
  /** Failed runs of each schedule since one completed, and those that must be paused for them by now. */
  readonly #failures = new Map<string, number>();
  readonly #mustPause = new Set<string>();
  /** How often each schedule was deleted. */
  readonly #deletions = new Map<string, number>();
  readonly #runs = new Map<string, number>();
  /** What their schedules say of that. */
  readonly #counted = new Map<string, number>();
  readonly #deletedByPeople = new Set<string>();
  readonly #resumes = new Set<string>();
  /** Those whose runs could overlap at some time. */
  readonly #overlapped = new Set<string>();
  occurrences = 0;
  /** What became of occurrences. */
  readonly outcomes = new Set<OccurrenceOutcome>();

  constructor({ world, jobs, objectives, locks, onMove }: ScheduleOracleOptions) {
    this.#world = world;
    this.#jobs = jobs;
    this.#objectives = objectives;
    this.#locks = locks;
    this.#line = new LineOracle(world, jobs, locks);
    this.#onMove = onMove;
  }

  /** Somebody asks for a resume, and may never hear an answer. */
  resumeAsked(id: string): void {
    this.#resumes.add(id);
  }

  /** Somebody was told that a schedule is deleted: for ever, whoever declares it. */
  deleteAnswered(id: string): void {
    this.#deletedByPeople.add(id);
  }

  schedule(after: ScheduleRecord): void {
    const before = this.schedules.get(after.id);
    this.schedules.set(after.id, after);
    const key = `${after.id}#${after.revision}`;
    if (!this.#plans.has(key)) this.#plans.set(key, new Plan(this.#walk, after));
    if (this.#planOf(after).policy.overlap === "allow") this.#overlapped.add(after.id);
    if (!before) return;
    if (after.state === "deleted" && before.state !== "deleted")
      this.#deletions.set(after.id, (this.#deletions.get(after.id) ?? 0) + 1);
    const ended = before.state === "deleted" && after.state !== "deleted";
    const final = after.declaredId === "" || this.#deletedByPeople.has(after.id);
    this.#expect(!ended || !final, "promise", `schedule ${after.id} was deleted by people and came back`);
    if (after.state !== "active") this.#mustPause.delete(after.id);
    if (before.state !== "paused" && after.state === "paused" && isByPeople(after))
      this.#resumes.delete(after.id);
    const resumed = before.state === "paused" && after.state === "active";
    const mayResume =
      this.#resumes.has(after.id) || untilOf(before) <= this.#world.wall() || isByPlugin(before);
    this.#expect(!resumed || mayResume, "promise", `${after.id} was resumed by nobody`);
    this.#expect(after.revision >= before.revision, "I6", `the revision of ${after.id} went back`);
    if (after.state === before.state || after.state === "active") return;
    for (const cursor of this.#cursorsOf(after.id)) this.#leaveActive(cursor, after);
  }

  ran({ scheduleId, count }: RunsRecord): void {
    const before = this.#counted.get(scheduleId) ?? 0;
    this.#expect(count >= before, "I6", `the runs of ${scheduleId} went back`);
    this.#counted.set(scheduleId, count);
  }

  cursor(row: CursorRecord): void {
    const key = keyOf(row.scheduleId, row.node);
    const schedule = this.schedules.get(row.scheduleId);
    if (!schedule) return this.#world.violate("I5", `a cursor of ${row.scheduleId}, which was never made`);
    const plan = this.#planOf(schedule);
    const counts = (schedule.state === "active" || schedule.state === "paused") && isCurrent(schedule, row);
    const known = this.#cursors.get(key);
    const cursor = known ?? startOf(key, row);
    if (known) this.#moved(cursor, row, plan);
    cursor.row = row;
    cursor.inForce = counts ? plan : null;
    this.#cursors.set(key, cursor);
    this.#touched.add(cursor);
    const next = plan.next(row.accountedUntil);
    this.#expect(row.next === null || row.next === next, "I5", `${key} says next ${row.next}; it is ${next}`);
  }

  /** A job with trigger `schedule` was made. */
  job(job: JobRecord): void {
    const { scheduleId, occurrence, node, id } = job;
    const schedule = this.schedules.get(scheduleId ?? "");
    if (!schedule || occurrence === null)
      return this.#world.violate("I2", `job ${id} names no schedule and occurrence`);
    const key = `${schedule.id}@${occurrence}@${node}`;
    this.#expect(
      schedule.state === "active",
      "promise",
      `${key} fired while the schedule is ${schedule.state}`,
    );
    this.#expect(schedule.token === job.token, "promise", `${key} runs with another payload`);
    const { overlap } = this.#planOf(schedule).policy;
    const others = [...this.#jobs.openOf(schedule.id, node)].filter((other) => other !== id);
    // Runs that were let overlap once are ended one at a time.
    const terminates = overlap === "terminate-other" && this.#overlapped.has(schedule.id);
    if (overlap !== "allow" && !terminates)
      this.#expect(others.length === 0, "I4", `${key} fired while ${others[0]} is open`);
    this.#pair(key, id);
    const waited = this.#line.definitionOf(keyOf(schedule.id, node), occurrence);
    const definition = waited ?? this.definitionOf(schedule.id);
    this.#objectives.made(job, this.#planOf(schedule).policy, definition);
  }

  /** A run of a schedule has ended. */
  runEnded({ scheduleId, state }: JobRecord): void {
    const schedule = this.schedules.get(scheduleId ?? "");
    if (!schedule || state === "cancelled") return;
    const failures = state === "failed" ? (this.#failures.get(schedule.id) ?? 0) + 1 : 0;
    this.#failures.set(schedule.id, failures);
    const limit = this.#planOf(schedule).policy.pauseAfterFailures ?? Number.POSITIVE_INFINITY;
    if (failures >= limit && schedule.state === "active") this.#mustPause.add(schedule.id);
  }

  /** Which definition a schedule follows; another one, when it was deleted and came back. */
  definitionOf(id: string): string {
    return `${this.schedules.get(id)?.revision}, deleted ${this.#deletions.get(id) ?? 0} times`;
  }

  /** Up to `max` occurrences of a schedule as it is now, in [from, to). */
  instantsOf(id: string, { from, to, max }: { from: Millis; to: Millis; max: number }): Millis[] {
    const schedule = this.schedules.get(id);
    const plan = schedule && this.#planOf(schedule);
    const found: Millis[] = [];
    for (let at = plan?.next(from - 1) ?? null; at !== null && at < to && found.length < max;) {
      found.push(at);
      at = plan?.next(at) ?? null;
    }
    return found;
  }

  occurrence(row: OccurrenceRecord): void {
    const cursor = this.#cursors.get(keyOf(row.scheduleId, row.node));
    const plan = this.#plans.get(`${row.scheduleId}#${row.revision}`);
    if (!cursor || !plan)
      return this.#world.violate("I5", `a ledger row of ${row.scheduleId} without a plan`);
    this.occurrences += row.count;
    this.outcomes.add(row.outcome);
    const name = `${cursor.key}@${row.occurrence} (${row.outcome})`;
    this.#expect(plan.isOccurrence(row.occurrence), "I5", `${name} is no occurrence`);
    this.#expect(plan.isOccurrence(row.lastOccurrence), "I5", `${name} ends at none`);
    if (plan.policy.blackouts.length === 0) {
      // Where there are blackouts, theirs lie between the others and are counted apart.
      this.#expect(row.occurrence > cursor.lastRow, "I2", `${name} is accounted for a second time`);
      const count = plan.count(row.occurrence - 1, row.lastOccurrence);
      this.#expect(count === row.count, "I5", `${name} counts ${row.count} of ${count}`);
    }
    // One that waited may run by a clock that was set back since.
    const early = row.jobId !== null && row.decidedAt < row.occurrence;
    this.#expect(!early, "promise", `${name} fired early`);
    const inBlackout = row.jobId !== null && plan.blackoutAt(row.occurrence) !== null;
    this.#expect(!inBlackout, "promise", `${name} in a blackout`);
    const nobodyThere = (plan.next(cursor.move.from) ?? Infinity) <= row.decidedAt - MISSED_AFTER_MS;
    const late = row.decidedAt - row.occurrence > LATE_AFTER_MS;
    const missed = plan.policy.missed !== "skip" && late && nobodyThere;
    this.#expect(row.outcome !== "caught-up" || missed, "promise", `${name} though it was not missed`);
    const { jitterMs } = plan.policy;
    const outage = (plan.next(cursor.move.from) ?? Infinity) <= row.decidedAt - MISSED_AFTER_MS - jitterMs;
    const missedToo = outage && row.decidedAt - row.occurrence > LATE_AFTER_MS + jitterMs;
    const passedOver = missedToo && row.jobId !== null && row.outcome !== "caught-up";
    this.#expect(!passedOver, "promise", `${name} is late behind one that was missed, and ran all the same`);
    this.#checkReason(cursor, row, plan, name);
    this.#objectives.decided(row, plan.policy);
    if (row.outcome === "pending") this.#line.begins(row, this.definitionOf(row.scheduleId));
    this.#checkOutcome(row, plan, name);
    cursor.lastRow = Math.max(cursor.lastRow, row.lastOccurrence);
    cursor.recorded += row.count;
    this.#touched.add(cursor);
  }

  /** A row changes once, when what it waited for has come, or never will; in between it may get its lock. */
  changed(row: OccurrenceRecord): void {
    const schedule = this.schedules.get(row.scheduleId);
    if (!this.#line.changed(row) || !schedule) return;
    this.outcomes.add(row.outcome);
    const name = `${keyOf(row.scheduleId, row.node)}@${row.occurrence} (${row.outcome})`;
    const complaint = complaintAboutEnd(row, this.#planOf(schedule));
    this.#expect(complaint === null, "promise", `${name} ${complaint}`);
    this.#checkOutcome(row, this.#planOf(schedule), name);
  }

  /** Old rows go, but not those that somebody may still ask about: the open ones, and those whose job is younger. */
  removed({ scheduleId, node, lastOccurrence, outcome, jobId }: OccurrenceRecord): void {
    const name = `${keyOf(scheduleId, node)}@${lastOccurrence} (${outcome})`;
    const old = lastOccurrence < this.#world.wall() - RETENTION.ledgerMs;
    this.#expect(old && outcome !== "pending", "I3", `${name} was removed`);
    const job = this.#jobs.jobs.get(jobId ?? "");
    this.#expect(!job || isFinished(job.state), "I3", `${name} was removed, and its job has not ended`);
  }

  /** How occurrences of a schedule treat the run before them. */
  overlapOf(scheduleId: string | null): OverlapPolicy | null {
    const schedule = this.schedules.get(scheduleId ?? "");
    return schedule ? this.#planOf(schedule).policy.overlap : null;
  }

  /** After every event: what was committed together must fit together. */
  checkTurn(): void {
    for (const [key, jobId] of this.#loose)
      this.#world.violate("I2", `occurrence ${key} and job ${jobId} were not written together`);
    for (const cursor of this.#touched) this.#checkCursor(cursor);
    this.#touched.clear();
    for (const id of this.#mustPause)
      this.#world.violate(
        "promise",
        `${id} is not paused, and ${this.#failures.get(id)} runs in a row failed`,
      );
  }

  /** Occurrences that wait for nothing. */
  stranded(): string[] {
    return this.#line.stranded();
  }

  /** The policies of all that are not deleted. */
  *policies(): Generator<[id: string, policy: Policy]> {
    for (const schedule of this.schedules.values())
      if (schedule.state !== "deleted") yield [schedule.id, this.#planOf(schedule).policy];
  }

  /** Cursors that were due a while ago and have not moved. */
  overdue(): string[] {
    const limit = this.#world.wall() - OVERDUE_MS;
    return [...this.#cursors.values()].flatMap(({ row, key }) =>
      row.dueAt !== null && row.dueAt < limit ? [`${key} was due at ${row.dueAt}`] : [],
    );
  }

  #checkReason(cursor: Cursor, row: OccurrenceRecord, plan: Plan, name: string): void {
    const { scheduleId, node, decidedAt, lockKey, outcome } = row;
    if (cursor.decidedAt !== decidedAt) Object.assign(cursor, { decidedAt, madeUp: 0 });
    if (isMadeUp(row, plan.policy)) cursor.madeUp += 1;
    // A run that this decision itself has ended was in the way as well.
    const ended = this.#jobs.endedAt(scheduleId, node) === decidedAt ? 1 : 0;
    const complaint = complaintAbout(row, plan, {
      open: this.#jobs.openOf(scheduleId, node).size + ended,
      waiting: this.#line.sizeOf(cursor.key),
      runs: this.#runs.get(scheduleId) ?? 0,
      madeUp: cursor.madeUp,
    });
    this.#expect(complaint === null, "promise", `${name} ${complaint}`);
    const locking = this.schedules.get(scheduleId)?.locking;
    const asks = this.#locks !== null && locking !== "node-local";
    const runs = outcome === "pending" || FIRED_OUTCOMES.includes(outcome);
    this.#expect(!runs || (lockKey !== null) === asks, "promise", `${name} with the lock ${lockKey}`);
  }

  #moved(cursor: Cursor, row: CursorRecord, plan: Plan): void {
    const { accountedUntil: from, next } = cursor.row;
    const to = row.accountedUntil;
    this.#expect(to >= from, "I6", `${cursor.key} went back from ${from} to ${to}`);
    if (to > from) this.#onMove(cursor.key);
    const same = cursor.inForce?.timing === plan.timing;
    if (same && next !== null && row.next !== null)
      this.#expect(
        row.next >= next,
        "I6",
        `the next run of ${cursor.key} went back from ${next} to ${row.next}`,
      );
    cursor.move = { from, to, plan: cursor.inForce };
    cursor.expected += cursor.inForce?.count(from, to) ?? 0;
  }

  /** A schedule ended or is paused: from here on its plan counts differently. */
  #leaveActive(cursor: Cursor, { id, state }: ScheduleRecord): void {
    const { move } = cursor;
    const count = this.#counted.get(id) ?? 0;
    const runsMax = move.plan?.policy.runsMax ?? Number.POSITIVE_INFINITY;
    if (state === "finished" && move.plan && count >= runsMax) {
      // What comes after the last allowed run is no occurrence of it.
      const end = Math.max(move.from, Math.min(move.to, cursor.lastRow));
      cursor.expected -= move.plan.count(end, move.to);
    }
    if (state !== "paused") cursor.inForce = null;
  }

  #checkCursor({ key, row, expected, recorded, lastRow }: Cursor): void {
    const schedule = this.schedules.get(row.scheduleId);
    this.#expect(
      expected === recorded,
      "I5",
      `the ledger of ${key} has ${recorded} occurrences up to ${row.accountedUntil}; there were ${expected}`,
    );
    this.#expect(lastRow <= row.accountedUntil, "I6", `${key} wrote beyond its cursor`);
    if (!schedule) return;
    if (schedule.state === "active" && isCurrent(schedule, row))
      this.#expect(row.dueAt !== null, "I5", `${key} is active and nobody will look at it`);
    else
      this.#expect(
        row.dueAt === endOfPause(schedule, row),
        "I2",
        `${key} is ${schedule.state}, ${schedule.locking} and still due`,
      );
  }

  #checkOutcome(
    { outcome, occurrence, node, jobId, decidedAt, scheduleId, count }: OccurrenceRecord,
    plan: Plan,
    name: string,
  ): void {
    const { policy } = plan;
    const lateMs = decidedAt - occurrence;
    const fired = FIRED_OUTCOMES.includes(outcome);
    const paused = this.schedules.get(scheduleId)?.state === "paused";
    this.#expect((outcome === "paused") === paused, "promise", `${name} while paused is ${paused}`);
    this.#expect(fired === (jobId !== null), "I2", `${name} has job ${jobId}`);
    if (jobId === null) return;
    this.#pair(`${scheduleId}@${occurrence}@${node}`, jobId);
    const runs = (this.#runs.get(scheduleId) ?? 0) + 1;
    this.#runs.set(scheduleId, runs);
    this.#expect(count === 1, "I2", `${name} counts ${count}`);
    const lateMaxMs = policy.latenessMaxMs + policy.jitterMs;
    this.#expect(lateMs <= lateMaxMs, "promise", `${name} fired ${lateMs} ms late, ${lateMaxMs} are allowed`);
    this.#expect(
      policy.runsMax === null || runs <= policy.runsMax,
      "promise",
      `${name} is run ${runs}, one too many`,
    );
    if (outcome === "fired")
      this.#expect(lateMs <= LATE_AFTER_MS + policy.jitterMs, "promise", `${name} is ${lateMs} ms late`);
  }

  #pair(key: string, jobId: string): void {
    if (this.#loose.get(key) === jobId) this.#loose.delete(key);
    else this.#loose.set(key, jobId);
  }

  #planOf({ id, revision }: ScheduleRecord): Plan {
    const plan = this.#plans.get(`${id}#${revision}`);
    if (!plan) throw new Error(`the oracle has no plan of ${id}`);
    return plan;
  }

  #cursorsOf(id: string): Cursor[] {
    return [...this.#cursors.values()].filter(({ row }) => row.scheduleId === id);
  }

  #expect(holds: boolean, invariant: string, message: string): void {
    if (!holds) this.#world.violate(invariant, message);
  }
}

function startOf(key: string, row: CursorRecord): Cursor {
  const at = row.accountedUntil;
  return {
    key,
    row,
    inForce: null,
    move: { from: at, to: at, plan: null },
    expected: 0,
    recorded: 0,
    lastRow: at,
    decidedAt: at,
    madeUp: 0,
  };
}
