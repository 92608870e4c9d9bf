/**
 * Accounts of budgets in SQLite: who has one, and what was spent of it. For each limit a
 * hundred rows at most, one for each step of its window; the jobs are never added
 * up, for they are many, and go.
 */
import type { Database, Statement } from "bun:sqlite";
import {
  BUDGET_LIMIT_NAMES,
  BUDGET_LIMITS,
  type BudgetLimit,
  lastGone,
  leftAt,
  type Spent,
  spentNow,
  stepOf,
} from "../../base/budget.ts";
import type { Env, Millis } from "../../base/env.ts";
import type { BudgetState } from "../budgets.ts";

type Values = Record<string, string | number | null>;

interface BudgetRow {
  scope: string;
  limit_name: BudgetLimit;
  amount: number;
  declared: number;
  set_by: string;
  since: number;
}

/** A budget without what was spent of it. */
export interface Rule {
  scope: string;
  declared: boolean;
  setBy: string;
  limits: { limit: BudgetLimit; amount: number; since: Millis }[];
}

export class BudgetAccounts {
  readonly #env: Env;
  readonly #sql: ReturnType<typeof prepare>;
  #rules: Map<string, Rule> | null = null;

  constructor(env: Env, db: Database) {
    this.#env = env;
    this.#sql = prepare(db);
  }

  /** All budgets by scope. They are read once, and again after `forget`. */
  get rules(): ReadonlyMap<string, Rule> {
    return (this.#rules ??= this.#read());
  }

  /** They have changed, or may not have: what is on disk counts. */
  forget(): void {
    this.#rules = null;
  }

  /** Where a budget stands; empty where there is none. */
  states(scope: string): BudgetState[] {
    const now = this.#env.now();
    const limits = this.rules.get(scope)?.limits ?? [];
    const reserved = limits.some(countsCost) ? (this.#sql.reserved.get({ scope })?.sum ?? 0) : 0;
    return limits.map(({ limit, amount, since }) => {
      const spent = this.#sql.spent.all({ scope, limit });
      const ofIt = countsCost({ limit }) ? reserved : 0;
      const opensAt = leftAt(limit, { amount, spent, reserved: ofIt }, now);
      return { limit, amount, since, spent: spentNow(limit, spent, now), reserved: ofIt, opensAt };
    });
  }

  /** Something was spent, inside the running group. */
  add(scope: string, counts: "cost" | "calls", amount: number): void {
    if (amount <= 0) return;
    const now = this.#env.now();
    for (const { limit } of this.rules.get(scope)?.limits ?? []) {
      if (BUDGET_LIMITS[limit].counts !== counts) continue;
      this.#sql.forget.run({ scope, limit, gone: lastGone(limit, now) });
      this.#sql.add.run({ scope, limit, step: stepOf(limit, now), amount });
    }
  }

  /** What was spent by a clock that was set back since counts from now on, inside the running group. */
  mend(scope: string): void {
    const now = this.#env.now();
    for (const { limit } of this.rules.get(scope)?.limits ?? []) {
      const step = stepOf(limit, now);
      for (const { amount } of this.#sql.takeEarly.all({ scope, limit, step }))
        this.#sql.add.run({ scope, limit, step, amount });
    }
  }

  /** Writes one limit, inside the running group. What it counts stays where it had a limit before. */
  write(scope: string, row: { limit: BudgetLimit; amount: number; declared: boolean; by: string }): void {
    const { limit, amount, declared, by } = row;
    this.#sql.write.run({ scope, limit, amount, declared: declared ? 1 : 0, by, now: this.#env.now() });
  }

  /** Removes one limit, inside the running group. False when there was none. */
  remove(scope: string, limit: BudgetLimit): boolean {
    this.#sql.forgetAll.run({ scope, limit });
    return this.#sql.remove.run({ scope, limit }).changes > 0;
  }

  #read(): Map<string, Rule> {
    const rules = new Map<string, Rule>();
    for (const { scope, limit_name: limit, amount, declared, set_by: setBy, since } of this.#sql.all.all()) {
      const rule = rules.get(scope) ?? { scope, declared: declared === 1, setBy, limits: [] };
      rule.limits.push({ limit, amount, since });
      rules.set(scope, rule);
    }
    for (const { limits } of rules.values()) limits.sort((a, b) => inTable(a.limit) - inTable(b.limit));
    return rules;
  }
}

/** True for a limit of what jobs cost. */
export function countsCost({ limit }: { limit: BudgetLimit }): boolean {
  return BUDGET_LIMITS[limit].counts === "cost";
}

function inTable(limit: BudgetLimit): number {
  return BUDGET_LIMIT_NAMES.indexOf(limit);
}

function prepare(db: Database) {
  const all: Statement<BudgetRow, []> = db.prepare("SELECT * FROM budget ORDER BY scope");
  const spent: Statement<Spent, [Values]> = db.prepare(SPENT);
  const reserved: Statement<{ sum: number }, [Values]> = db.prepare(RESERVED);
  const takeEarly: Statement<{ amount: number }, [Values]> = db.prepare(TAKE_EARLY);
  return {
    all,
    spent,
    reserved,
    takeEarly,
    add: db.prepare<unknown, [Values]>(ADD),
    forget: db.prepare<unknown, [Values]>(FORGET),
    forgetAll: db.prepare<unknown, [Values]>(
      "DELETE FROM budget_spent WHERE scope = $scope AND limit_name = $limit",
    ),
    write: db.prepare<unknown, [Values]>(WRITE),
    remove: db.prepare<unknown, [Values]>("DELETE FROM budget WHERE scope = $scope AND limit_name = $limit"),
  };
}

const SPENT = `
  SELECT step, amount
    FROM budget_spent
   WHERE scope      = $scope
     AND limit_name = $limit
   ORDER BY step`;

const RESERVED = `
  SELECT TOTAL(reserved) AS sum
    FROM budget_running INDEXED BY budget_running_scope
   WHERE scope = $scope`;

const ADD = `
  INSERT INTO budget_spent (scope, limit_name, step, amount)
  VALUES ($scope, $limit, $step, $amount)
  ON CONFLICT (scope, limit_name, step) DO UPDATE
     SET amount = amount + excluded.amount`;

const FORGET = `
  DELETE FROM budget_spent
   WHERE scope      = $scope
     AND limit_name = $limit
     AND step      <= $gone`;

const TAKE_EARLY = `
  DELETE FROM budget_spent
   WHERE scope      = $scope
     AND limit_name = $limit
     AND step       > $step
  RETURNING amount`;

const WRITE = `
  INSERT INTO budget (scope, limit_name, amount, declared, set_by, since)
  VALUES ($scope, $limit, $amount, $declared, $by, $now)
  ON CONFLICT (scope, limit_name) DO UPDATE
     SET amount   = excluded.amount,
         declared = excluded.declared,
         set_by   = excluded.set_by`;
