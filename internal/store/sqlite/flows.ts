/**
 * Flows in SQLite. A job that others wait for, or that has children, is marked as
 * followed: its end, and no other job's, leaves a task in `job_flow`, in the same
 * transaction. A task is done in steps of some milliseconds, however many it concerns.
 *
 *   ended      those that wait for the job learn how it ended; then, when it was
 *              cancelled (or failed, and wants it so), its children are cancelled
 *   siblings   what the job waited for is cancelled
 *   children   its children are cancelled, and theirs by the tasks that this leaves
 */
import type { Database } from "bun:sqlite";
import { isFinished, type JobError, type JobState, type NewJob } from "../../job/job.ts";
import type { FlowStep, FlowStore } from "../flows.ts";
import type { GroupCommit } from "./group.ts";

const SWEEP_MAX = 100; // Of one look, a fraction of a millisecond: those that are left have their turn with the next.

type Values = Record<string, string | number | null>;
type Task = "ended" | "siblings" | "children";

interface TaskRow {
  job_id: string;
  task: Task;
  after: string;
}

interface EndRow {
  state: JobState;
  error: string | null;
  child_policy: string | null;
}

/** What flows ask of the jobs, inside the running group. */
export interface FlowJobs {
  cancelNow(id: string, by: string): JobState | null;
  failNow(id: string, error: JobError): void;
}

/** What one step does. */
interface Step extends FlowStep {
  /** Jobs whose ends were told to all that waited. */
  told: string[];
}

export class SqliteFlows implements FlowStore {
  readonly #group: GroupCommit;
  readonly #jobs: FlowJobs;
  readonly #sql: ReturnType<typeof prepare>;
  /** Jobs that ran already when they became followed: who holds them does not know it. */
  readonly #followedLate = new Set<string>();
  #onWork: () => void = () => {};

  constructor({ db, group, jobs }: { db: Database; group: GroupCommit; jobs: FlowJobs }) {
    this.#group = group;
    this.#jobs = jobs;
    this.#sql = prepare(db);
  }

  onWork(onWork: () => void): void {
    this.#onWork = onWork;
  }

  /** Ties a job that was just written to those that it waits for, and to its parent. */
  join({ id, parentId, waitFor, waitPolicy, childPolicy }: NewJob): void {
    if (parentId !== undefined) this.#follow(parentId);
    const awaited = [...new Set(waitFor)];
    if (awaited.length > 0 || childPolicy !== undefined)
      this.#sql.tie.run({
        id,
        waits: awaited.length,
        waitPolicy: awaited.length > 0 ? (waitPolicy ?? "fail") : null,
        childPolicy: childPolicy ?? null,
      });
    for (const other of awaited) {
      this.#sql.wait.run({ id, other });
      const state = this.#follow(other);
      // It has ended, or is so old that it is gone: the same step tells who waits.
      if (state === null || isFinished(state)) this.#add(other, "ended");
    }
  }

  #follow(id: string): JobState | null {
    const state = this.#sql.follow.get({ id })?.state ?? null;
    if (state === "running") this.#followedLate.add(id);
    return state;
  }

  /** True when the end of a job concerns others, although who held it does not know. */
  isFollowedLate(id: string): boolean {
    return this.#followedLate.size > 0 && this.#followedLate.has(id);
  }

  /** A job has ended. */
  ended(id: string): void {
    if (this.#sql.noteEnd.run({ id }).changes > 0) this.#onWork();
  }

  /** A running job was asked to end: its children are, too. */
  asked(id: string): void {
    if (this.#sql.noteAsked.run({ id }).changes > 0) this.#onWork();
  }

  async step(limit: number): Promise<FlowStep> {
    if (this.#sql.first.get() === null) return this.#sweep();
    const { told, ...step } = await this.#group.write(() => this.#step(limit));
    for (const id of told) this.#followedLate.delete(id); // After the commit: undone, the ends would not be told again.
    return step;
  }

  /** Forgets jobs that nobody follows: a tie that is undone leaves them here. Nothing is on its way to the disk now. */
  #sweep(): FlowStep {
    for (const id of this.#followedLate.values().take(SWEEP_MAX).toArray()) {
      this.#followedLate.delete(id);
      if (this.#sql.isFollowed.get({ id })) this.#followedLate.add(id); // Behind the others.
    }
    return { stopped: [], released: false, more: false };
  }

  #step(limit: number): Step {
    const step: Step = { stopped: [], released: false, more: false, told: [] };
    for (let left = limit; left > 0;) {
      const task = this.#sql.first.get();
      if (!task) return step;
      left -= 1 + this.#do(task, left, step);
    }
    step.more = this.#sql.first.get() !== null;
    return step;
  }

  /** Does a part of a task. Returns how many jobs it concerned. */
  #do({ job_id: id, task, after }: TaskRow, limit: number, step: Step): number {
    if (task === "ended") return this.#tell(id, limit, step);
    const rows =
      task === "children"
        ? this.#sql.children.all({ id, after: Number(after), limit })
        : this.#sql.awaited.all({ id, after, limit });
    for (const { other } of rows) {
      const by =
        task === "children" ? `the end of its parent ${id}` : `a failure beside it, which ended ${id}`;
      if (this.#jobs.cancelNow(other, by) === "running") step.stopped.push(other);
    }
    const last = rows.at(-1);
    if (last && rows.length === limit) this.#sql.move.run({ id, task, after: String(last.key) });
    else this.#sql.done.run({ id, task });
    return rows.length;
  }

  /** Tells those that wait for a job how it ended. */
  #tell(id: string, limit: number, step: Step): number {
    const end = this.#sql.end.get({ id });
    if (end !== null && !isFinished(end.state)) {
      // The one that was gone is there again, under the same id: its end tells them.
      this.#follow(id);
      this.#sql.done.run({ id, task: "ended" });
      return 0;
    }
    const waiting = this.#sql.waiting.all({ id, limit });
    for (const { other, wait_policy: policy } of waiting) {
      this.#sql.unwait.run({ id, other });
      if (end === null || end.state === "completed" || policy === "continue") {
        step.released = this.#sql.release.run({ other }).changes > 0 || step.released;
      } else if (policy !== null) {
        this.#jobs.failNow(other, failureOf(id, end));
        if (policy === "cancel") this.#add(other, "siblings");
      }
    }
    if (waiting.length === limit) return limit;
    this.#sql.done.run({ id, task: "ended" });
    step.told.push(id);
    if (end?.state === "cancelled" || (end?.state === "failed" && end.child_policy === "cancel"))
      this.#add(id, "children");
    return waiting.length;
  }

  #add(id: string, task: Task): void {
    this.#sql.add.run({ id, task });
    this.#onWork();
  }
}

function failureOf(id: string, { state, error }: EndRow): JobError {
  const { message } = error === null ? { message: "" } : (JSON.parse(error) as JobError);
  const why = message === "" ? "" : `: ${message}`;
  return {
    message: `it waited for job ${id}, which ${state === "failed" ? "failed" : "was cancelled"}${why}`,
    kind: "awaited",
    attempt: 0,
  };
}

function prepare(db: Database) {
  return {
    tie: db.prepare<unknown, [Values]>(`
      UPDATE job
         SET followed     = EXISTS (SELECT 1 FROM job c WHERE c.parent_id = $id AND c.parent_id IS NOT NULL),
             waits        = $waits,
             wait_policy  = $waitPolicy,
             child_policy = $childPolicy
       WHERE id = $id`),
    wait: db.prepare<unknown, [Values]>("INSERT INTO job_wait (waits_for, job_id) VALUES ($other, $id)"),
    unwait: db.prepare<unknown, [Values]>("DELETE FROM job_wait WHERE waits_for = $id AND job_id = $other"),
    follow: db.prepare<{ state: JobState }, [Values]>(
      "UPDATE job SET followed = 1 WHERE id = $id RETURNING state",
    ),
    isFollowed: db.prepare<{ id: string }, [Values]>(
      "SELECT id FROM job WHERE id = $id AND followed = 1 AND state = 'running'",
    ),
    noteEnd: db.prepare<unknown, [Values]>(`
      INSERT OR IGNORE INTO job_flow (job_id, task)
      SELECT id, 'ended' FROM job WHERE id = $id AND followed = 1`),
    noteAsked: db.prepare<unknown, [Values]>(`
      INSERT OR IGNORE INTO job_flow (job_id, task)
      SELECT id, 'children' FROM job WHERE id = $id AND followed = 1 AND state = 'running'`),
    add: db.prepare<unknown, [Values]>("INSERT OR IGNORE INTO job_flow (job_id, task) VALUES ($id, $task)"),
    first: db.prepare<TaskRow, []>("SELECT job_id, task, after FROM job_flow LIMIT 1"),
    move: db.prepare<unknown, [Values]>(
      "UPDATE job_flow SET after = $after WHERE job_id = $id AND task = $task",
    ),
    done: db.prepare<unknown, [Values]>("DELETE FROM job_flow WHERE job_id = $id AND task = $task"),
    end: db.prepare<EndRow, [Values]>("SELECT state, error, child_policy FROM job WHERE id = $id"),
    waiting: db.prepare<{ other: string; wait_policy: string | null }, [Values]>(`
      SELECT w.job_id AS other, j.wait_policy
        FROM job_wait w
        LEFT JOIN job j ON j.id = w.job_id AND j.finished_at IS NULL
       WHERE w.waits_for = $id
       LIMIT $limit + 0`),
    release: db.prepare<unknown, [Values]>(`
      UPDATE job
         SET waits = waits - 1
       WHERE id = $other
         AND waits > 0
         AND finished_at IS NULL`),
    awaited: db.prepare<{ other: string; key: string }, [Values]>(`
      SELECT waits_for AS other, waits_for AS key
        FROM job_wait
       WHERE job_id = $id
         AND waits_for > $after
       ORDER BY waits_for
       LIMIT $limit + 0`),
    children: db.prepare<{ other: string; key: number }, [Values]>(`
      SELECT id AS other, seq AS key
        FROM job INDEXED BY job_parent
       WHERE parent_id = $id
         AND parent_id IS NOT NULL
         AND seq > $after
       ORDER BY seq
       LIMIT $limit + 0`),
  };
}
