/**
 * Claims in SQLite: who gets which of the queued jobs.
 *
 * Whoever serves is asked at the end of every group of writes what there is room for.
 * What a group has just made is claimed by it as well, and begins when its commit is on
 * disk: a second commit, and a second way through the event loop, took as long as all
 * the rest between an enqueue and its handler.
 *
 * Nothing is reserved, so nothing has to be given back: the question, the claim, the
 * commit and the answer are one turn, in which nobody else does anything.
 */
import type { Env } from "../../base/env.ts";
import { assert, messageOf } from "../../base/fault.ts";
import { type HeldJob, JOB_ATTEMPTS_DEFAULT } from "../../job/job.ts";
import { partsOf } from "../../job/lane.ts";
import type { Claimer, LaneRequest } from "../jobs.ts";
import type { GroupCommit } from "./group.ts";
import { type ClaimBy, heldJob, type NextRow } from "./job-row.ts";
import type { JobSql } from "./job-sql.ts";
import type { SqliteLimits } from "./limits.ts";

const CLAIM_LIMIT_MAX = 1_000; // Its rows are in memory at once.
const STRETCH_ROWS_MIN = 2;
const STRETCH_STEPS_MAX = 4; // Rows that are stepped over for each that is claimed: each costs a tenth of it.

/** What was wanted, and what there was. */
interface Claimed {
  wishes: readonly LaneRequest[];
  jobs: readonly HeldJob[];
}

/** What claims are made of. */
export interface ClaimParts {
  sql: JobSql;
  group: GroupCommit;
  limits: SqliteLimits;
  /** Told of a job that was claimed and cannot be read, inside the running group. */
  onUnreadable: (id: string, reason: string) => void;
}

export class SqliteClaims {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #limits: SqliteLimits;
  readonly #sql: JobSql;
  readonly #onUnreadable: ClaimParts["onUnreadable"];
  #claimer: Claimer | null = null;
  /** Lanes that have jobs which could not be claimed when somebody was asked last. */
  readonly #fresh = new Set<string>();
  /** Why the last group claimed nothing; null when it could. */
  #failure: { error: unknown } | null = null;

  constructor(env: Env, { sql, group, limits, onUnreadable }: ClaimParts) {
    this.#env = env;
    this.#group = group;
    this.#limits = limits;
    this.#sql = sql;
    this.#onUnreadable = onUnreadable;
    limits.keys.onRelease((lane) => this.added(lane));
    group.closeWith((careful) => this.#ask(careful), {
      done: (claimed) => this.#hand(claimed),
      failed: (error) => this.#fail(error),
    });
  }

  /** Asks `claimer` from now on; null: nobody. */
  serve(claimer: Claimer | null): void {
    this.#claimer = claimer;
  }

  /** Asks in a group of its own, if there is no other. Rejects when nothing could be claimed. */
  async offer(): Promise<void> {
    await this.#group.write(() => {});
    if (this.#failure) throw this.#failure.error;
  }

  /** A job of this lane can be claimed that could not before. Said inside the running group. */
  added(lane: string): void {
    this.#fresh.add(lane);
  }

  /** Claims inside the running group; `careful` where the first try of it was undone. */
  claimNow(bootId: string, lanes: readonly LaneRequest[], careful: boolean): HeldJob[] {
    if (careful) this.#limits.budgets.gate.forget();
    return lanes.flatMap((request) => this.#claimLane(bootId, request));
  }

  /** A group that runs again asks again: the lanes are forgotten when it is over. */
  #ask(careful: boolean): Claimed | null {
    const claimer = this.#claimer;
    const wishes = claimer?.wishes(this.#fresh) ?? [];
    if (!claimer || wishes.length === 0) return null;
    return { wishes, jobs: this.claimNow(claimer.bootId, wishes, careful) };
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#limits.budgets.gate.forget();
  }

  #hand(claimed: Claimed | null): void {
    this.#fresh.clear();
    this.#failure = null;
    if (claimed) this.#claimer?.claimed(claimed.jobs, claimed.wishes);
  }

  /** Differs from Postgres: no SKIP LOCKED. SQLite has one writer, so nobody is halfway through claiming a row. */
  #claimLane(bootId: string, request: LaneRequest): HeldJob[] {
    const { lane, limit, plugin = partsOf(lane).plugin, maxAttempts = JOB_ATTEMPTS_DEFAULT } = request;
    assert(limit > 0 && limit <= CLAIM_LIMIT_MAX, `a claim of ${limit} jobs is in range`);
    const count = this.#limits.claimable({ lane, plugin }, limit);
    if (count <= 0) return [];
    const by = { bootId, maxAttempts, now: this.#env.now() };
    const rows = this.#take({ lane, limit: count }, by);
    const fitting = this.#limits.keys.fitting(rows);
    this.#limits.spend({ lane, plugin }, fitting);
    const jobs = fitting.flatMap((row) => this.#read(row, by) ?? []);
    if (fitting.length === rows.length || fitting.length === limit) return jobs;
    // Those that went back are not asked again: others may stand behind them.
    return [...jobs, ...this.#claimLane(bootId, { ...request, limit: limit - fitting.length })];
  }

  /** Claims the next jobs of a lane, and gives their rows as they were before. */
  #take(next: { lane: string; limit: number }, by: ClaimBy): NextRow[] {
    const rows = this.#sql.next.all(next);
    const values = [by.maxAttempts, by.bootId, by.now];
    const stretch = stretchOf(rows);
    if (stretch)
      this.#sql.claimStretch.run(...values, stretch.first, stretch.last, next.lane, stretch.priority);
    else this.#claimEach(rows, values);
    return rows;
  }

  #claimEach(rows: readonly NextRow[], values: readonly (string | number)[]): void {
    let claimed = 0;
    for (const { rows: count, statement } of this.#sql.claims) {
      for (; rows.length - claimed >= count; claimed += count) {
        const seqs = rows.slice(claimed, claimed + count).map(({ seq }) => seq);
        statement.run(...values, ...seqs);
      }
    }
  }

  /** Null for a row that a hand has broken: thrown, it would be met by every claim from now on, and nothing would run. */
  #read(row: NextRow, by: ClaimBy): HeldJob | null {
    try {
      return heldJob(row, by);
    } catch (error) {
      this.#onUnreadable(row.id, messageOf(error));
      return null;
    }
  }
}

/** Where the rows stand, in their order; null for too few, of several priorities, or with too many others between them. */
function stretchOf(rows: readonly NextRow[]): { first: number; last: number; priority: number } | null {
  const [first, last] = [rows[0], rows.at(-1)];
  if (!first || !last || rows.length < STRETCH_ROWS_MIN || first.priority !== last.priority) return null;
  if (last.seq - first.seq >= STRETCH_STEPS_MAX * rows.length) return null;
  return { first: first.seq, last: last.seq, priority: first.priority };
}
