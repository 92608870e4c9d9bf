/** Budgets in SQLite: who may set which, and when the first one opens again. */
import type { Database } from "bun:sqlite";
import { BUDGET_LIMIT_NAMES, type BudgetLimit, isBudgetLimit } from "../../base/budget.ts";
import type { Env, Millis } from "../../base/env.ts";
import { Fault } from "../../base/fault.ts";
import { type Budget, BUDGETS_MAX, type BudgetStore, type NewBudget } from "../budgets.ts";
import { BudgetAccounts, type Rule } from "./budget-accounts.ts";
import { BudgetGate } from "./budget-gate.ts";
import type { GroupCommit } from "./group.ts";

export class SqliteBudgets implements BudgetStore {
  readonly gate: BudgetGate;
  readonly #group: GroupCommit;
  readonly #accounts: BudgetAccounts;

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#group = group;
    this.#accounts = new BudgetAccounts(env, db);
    this.gate = new BudgetGate(env, db, this.#accounts);
  }

  async set(budget: NewBudget, by: string): Promise<Budget> {
    await this.#change(() => {
      this.#refuseMany([budget]);
      this.#write(budget, { declared: false, by });
    });
    const rule = this.#accounts.rules.get(budget.scope);
    if (!rule) throw new Error(`The budget ${budget.scope} was just written and is not there.`);
    return this.#view(rule);
  }

  unset(scope: string, limits: readonly BudgetLimit[] = BUDGET_LIMIT_NAMES): Promise<BudgetLimit[] | null> {
    return this.#change(() => {
      const removed = limits.filter((limit) => this.#accounts.remove(scope, limit));
      return removed.length === 0 ? null : removed;
    });
  }

  declare(budgets: readonly NewBudget[], by: string): Promise<void> {
    return this.#change(() => {
      this.#refuseMany(budgets);
      const wanted = new Map(budgets.map((budget) => [budget.scope, budget]));
      for (const { scope, declared, limits } of this.#accounts.rules.values()) {
        const amounts = wanted.get(scope)?.amounts;
        if (!declared && !amounts) continue; // Somebody else's.
        for (const { limit } of limits)
          if (amounts?.[limit] === undefined) this.#accounts.remove(scope, limit);
      }
      for (const budget of budgets) this.#write(budget, { declared: true, by });
    });
  }

  async all(): Promise<Budget[]> {
    return [...this.#accounts.rules.values()].map((rule) => this.#view(rule));
  }

  async get(scope: string): Promise<Budget | null> {
    const rule = this.#accounts.rules.get(scope);
    return rule ? this.#view(rule) : null;
  }

  async opening(): Promise<Millis | null> {
    return this.gate.opening();
  }

  onHeld(onHeld: () => void): void {
    this.gate.onHeld = onHeld;
  }

  /** Changes budgets. Whatever becomes of the commit, they are read anew, and so is what they hold back. */
  async #change<T>(change: () => T): Promise<T> {
    try {
      return await this.#group.write(() => {
        this.#accounts.forget();
        const changed = change();
        this.#accounts.forget();
        return changed;
      });
    } finally {
      this.#accounts.forget();
      this.gate.changed();
    }
  }

  #refuseMany(budgets: readonly NewBudget[]): void {
    const scopes = new Set([...this.#accounts.rules.keys(), ...budgets.map(({ scope }) => scope)]);
    if (scopes.size > BUDGETS_MAX)
      throw new Fault(
        "exhausted",
        `There are ${this.#accounts.rules.size} budgets; no more than ${BUDGETS_MAX} can be.`,
      );
  }

  #write({ scope, amounts }: NewBudget, row: { declared: boolean; by: string }): void {
    for (const [limit, amount] of Object.entries(amounts))
      if (isBudgetLimit(limit) && amount !== undefined)
        this.#accounts.write(scope, { ...row, limit, amount });
  }

  #view({ scope, declared, setBy }: Rule): Budget {
    return { scope, declared, setBy, states: this.#accounts.states(scope) };
  }
}
