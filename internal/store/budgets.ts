/**
 * Budgets: what keeps jobs in line because enough was spent. They and what was spent are
 * kept in the store, changed in the same transaction as the claim or the end of a job:
 * so they hold for every node, and over a kill.
 *
 * A job starts as long as something is left in every budget that concerns it: its
 * tenant's, its plugin's and its handler's. While it runs, its estimate is reserved;
 * when it ends, what it really cost is spent. So the last job that starts may cross the
 * line, and jobs without an estimate that run beside each other may all: never another.
 *
 * An oracle needs three things: the jobs that started with their times, what each said
 * that it cost, and `all()`. At no moment may a job start whose window, added up exactly
 * and without what has left it a step ago, had as much as the limit (base/budget.ts).
 */
import type { BudgetAmounts, BudgetLimit } from "../base/budget.ts";
import type { Millis } from "../base/env.ts";

/** A budget as somebody states it. */
export interface NewBudget {
  /** `tenant:acme`, `plugin:python` or `handler:python.report`. */
  scope: string;
  amounts: BudgetAmounts;
}

/** One limit of a budget, and where it stands. */
export interface BudgetState {
  limit: BudgetLimit;
  amount: number;
  /** In the window that ends now. */
  spent: number;
  /** Estimates of jobs that run; 0 for calls. */
  reserved: number;
  /** When the next job may start; now or earlier when one may. Null: when one of those that run has ended. */
  opensAt: Millis | null;
  /** Since when it counts. */
  since: Millis;
}

export interface Budget {
  scope: string;
  /** True when the configuration says it: it is changed there. */
  declared: boolean;
  setBy: string;
  /** At least one, in the order of BUDGET_LIMITS. */
  states: BudgetState[];
}

export interface BudgetStore {
  /** Sets limits of a budget; others that it has stay. What was spent before does not count. */
  set(budget: NewBudget, by: string): Promise<Budget>;
  /** Takes limits away, or all of them. Null when there was nothing to take away. */
  unset(scope: string, limits?: readonly BudgetLimit[]): Promise<BudgetLimit[] | null>;
  /** Makes the declared budgets equal to the list; a budget that somebody else had set becomes the declared one. */
  declare(budgets: readonly NewBudget[], by: string): Promise<void>;
  /** By scope; all of them. */
  all(): Promise<Budget[]>;
  /** Null when there is none. */
  get(scope: string): Promise<Budget | null>;
  /** When the first of those that hold jobs back opens; now or earlier when jobs may be claimed that could not. Null: nobody knows. */
  opening(): Promise<Millis | null>;
  /** Calls back when that may have changed. */
  onHeld(onHeld: () => void): void;
}

export const BUDGETS_MAX = 1_000; // They are read whole whenever somebody asks why a job waits.

/** What keeps jobs of a budget waiting: the limit that opens last. Null when none does. */
export function closedState({ states }: Budget, now: Millis): BudgetState | null {
  const closed = states.filter(({ opensAt }) => opensAt === null || opensAt > now);
  const last = (one: BudgetState) => one.opensAt ?? Number.POSITIVE_INFINITY;
  return closed.toSorted((a, b) => last(b) - last(a))[0] ?? null;
}
