/**
 * The gate of budgets in SQLite: how many jobs of a lane a claim may take, and what it
 * takes from whom. Everything here runs inside the transaction of a claim or of an end.
 *
 * All jobs of a lane have the same tenant, plugin and handler, so a budget that is used
 * up closes lanes, and nothing is looked at there: a million jobs that wait cost
 * nobody else anything. Jobs of nobody who has a budget cost a look into a map.
 */
import type { Database, Statement } from "bun:sqlite";
import { BUDGET_ROUNDING, scopeOf } from "../../base/budget.ts";
import type { Env, Millis } from "../../base/env.ts";
import { handlerOfLane, partsOf } from "../../job/lane.ts";
import type { BudgetState } from "../budgets.ts";
import { type BudgetAccounts, countsCost } from "./budget-accounts.ts";
import type { NextRow } from "./job-row.ts";

type Values = Record<string, string | number | null>;

/** A lane, and the plugin that runs its jobs. */
export interface LaneOf {
  lane: string;
  plugin: string;
}

const CLOSED_MS: Millis = 1_000; // For how long a closed budget is not added up again, however many claims meet it.

export class BudgetGate {
  readonly #env: Env;
  readonly #accounts: BudgetAccounts;
  readonly #sql: ReturnType<typeof prepare>;
  /** Closed ones, by scope: when that was found, and when they open. */
  readonly #closed = new Map<string, { foundAt: Millis; opensAt: Millis }>();
  /** Those that held a job back since they were open. */
  readonly #waited = new Set<string>();
  /** Called when what `opening` says may have changed. */
  onHeld: () => void = () => {};

  constructor(env: Env, db: Database, accounts: BudgetAccounts) {
    this.#env = env;
    this.#accounts = accounts;
    db.run(FORGET_GONE);
    this.#sql = prepare(db);
  }

  /** How many jobs of a lane may be claimed, of those that are wanted. */
  claimable(of: LaneOf, wanted: number): number {
    if (wanted <= 0 || this.#accounts.rules.size === 0) return wanted;
    const scopes = this.#scopes(of);
    if (scopes.length === 0) return wanted;
    return scopes.some((scope) => this.#isClosed(scope)) ? 0 : this.#fitting(of.lane, scopes, wanted);
  }

  /** These jobs start. Those whose cost counts are marked. */
  spend(of: LaneOf, rows: readonly NextRow[]): void {
    const { rules } = this.#accounts;
    if (rules.size === 0 || rows.length === 0) return;
    const scopes = this.#scopes(of);
    for (const scope of scopes) this.#accounts.add(scope, "calls", rows.length);
    this.#reserve(
      scopes.filter((scope) => rules.get(scope)?.limits.some(countsCost)),
      rows,
    );
    for (const scope of scopes) this.#isClosed(scope); // Whoever waits from now on is to be woken.
  }

  #reserve(scopes: readonly string[], rows: readonly NextRow[]): void {
    if (scopes.length === 0) return;
    for (const row of rows) {
      const { id, cost_actual: before } = row;
      for (const scope of scopes)
        this.#sql.reserve.run({ id, scope, reserved: Math.max(0, row.cost_estimate), before });
      this.#sql.mark.run({ id });
      row.budgeted = 1;
    }
  }

  /** A marked job has ended or goes back in line: what it cost since its start is spent, its estimate no longer reserved. */
  ended(id: string): void {
    const cost = this.#sql.unmark.get({ id })?.cost_actual ?? 0;
    for (const { scope, cost_before: before } of this.#sql.unreserve.all({ id })) {
      this.#accounts.add(scope, "cost", cost - before);
      this.#closed.delete(scope);
    }
    if (this.#waited.size > 0) this.onHeld();
  }

  /** A running job says what it has cost up to now. */
  annotated(id: string, cost: number): void {
    if (this.#accounts.rules.size > 0) this.#sql.raise.run({ id, cost });
  }

  /** Budgets have changed. */
  changed(): void {
    this.forget();
    this.onHeld();
  }

  /** What was found in a group of writes that was undone does not count. */
  forget(): void {
    this.#closed.clear();
  }

  /** See BudgetStore. */
  opening(): Millis | null {
    const now = this.#env.now();
    let first = Number.POSITIVE_INFINITY;
    for (const scope of this.#waited) {
      const opensAt = this.#opensAt(scope, now);
      if (opensAt <= now) this.#waited.delete(scope);
      first = Math.min(first, Math.max(now, opensAt)); // One that is gone is open.
    }
    return Number.isFinite(first) ? first : null;
  }

  /** The budgets that the jobs of a lane spend. */
  #scopes({ lane, plugin }: LaneOf): string[] {
    const { rules } = this.#accounts;
    const scopes = [
      scopeOf("handler", handlerOfLane(lane)),
      scopeOf("plugin", plugin),
      scopeOf("tenant", partsOf(lane).tenant),
    ];
    return scopes.filter((scope) => rules.has(scope));
  }

  #isClosed(scope: string): boolean {
    const now = this.#env.now();
    if (this.#opensAt(scope, now) <= now) return false;
    if (this.#closed.get(scope)?.foundAt === now) this.#accounts.mend(scope);
    this.#waits(scope);
    return true;
  }

  #opensAt(scope: string, now: Millis): Millis {
    const known = this.#closed.get(scope);
    if (known && now >= known.foundAt && now < Math.min(known.foundAt + CLOSED_MS, known.opensAt))
      return known.opensAt;
    const opensAt = latest(this.#accounts.states(scope));
    if (opensAt > now) this.#closed.set(scope, { foundAt: now, opensAt });
    else this.#closed.delete(scope);
    return opensAt;
  }

  #waits(scope: string): void {
    if (this.#waited.has(scope)) return;
    this.#waited.add(scope);
    this.onHeld();
  }

  /** How many of the first jobs find something left, each after the ones before it. */
  #fitting(lane: string, scopes: readonly string[], wanted: number): number {
    const states = scopes.flatMap((scope) =>
      this.#accounts.states(scope).map((state) => ({ ...state, scope })),
    );
    const calls = states.filter((state) => !countsCost(state));
    const most = Math.min(wanted, ...calls.map(({ amount, spent }) => Math.floor(amount - spent)));
    const costs = states.filter(countsCost);
    if (costs.length === 0) return most;
    let [count, estimates] = [0, 0];
    for (const { cost_estimate: estimate } of this.#sql.ahead.all({ lane, limit: most })) {
      const full = costs.find(
        ({ amount, spent, reserved }) => spent + reserved + estimates + amount * BUDGET_ROUNDING >= amount,
      );
      if (full) {
        this.#waits(full.scope);
        break;
      }
      estimates += Math.max(0, estimate);
      count += 1;
    }
    return count;
  }
}

/** When all limits of a budget allow the next job; infinite when nobody knows. */
function latest(states: readonly BudgetState[]): Millis {
  const opens = states.map(({ opensAt }) => opensAt ?? Number.POSITIVE_INFINITY);
  return Math.max(Number.NEGATIVE_INFINITY, ...opens);
}

function prepare(db: Database) {
  const ahead: Statement<{ cost_estimate: number }, [Values]> = db.prepare(AHEAD);
  const unmark: Statement<{ cost_actual: number }, [Values]> = db.prepare(UNMARK);
  const unreserve: Statement<{ scope: string; cost_before: number }, [Values]> = db.prepare(UNRESERVE);
  return {
    ahead,
    unmark,
    unreserve,
    mark: db.prepare<unknown, [Values]>("UPDATE job SET budgeted = 1 WHERE id = $id"),
    reserve: db.prepare<unknown, [Values]>(RESERVE),
    raise: db.prepare<unknown, [Values]>(RAISE),
  };
}

// As claims do, so that the first ones of this are those of the claim.
const AHEAD = `
  SELECT cost_estimate
    FROM job
   WHERE state = 'queued'
     AND lane  = $lane
     AND crowded = 0
   ORDER BY priority, seq
   LIMIT $limit + 0`;

// Of jobs that a hand has deleted or moved.
const FORGET_GONE = `
  DELETE FROM budget_running
   WHERE job_id NOT IN (SELECT id FROM job INDEXED BY job_held WHERE boot_id IS NOT NULL)`;

const RESERVE = `
  INSERT INTO budget_running (job_id, scope, reserved, cost_before)
  VALUES ($id, $scope, $reserved, $before)
  ON CONFLICT (job_id, scope) DO UPDATE
     SET reserved    = excluded.reserved,
         cost_before = excluded.cost_before`;

const RAISE = `
  UPDATE budget_running
     SET reserved = MAX(reserved, $cost - cost_before)
   WHERE job_id = $id`;

const UNMARK = `
  UPDATE job
     SET budgeted = 0
   WHERE id = $id
  RETURNING cost_actual`;

const UNRESERVE = `
  DELETE FROM budget_running
   WHERE job_id = $id
  RETURNING scope, cost_before`;
