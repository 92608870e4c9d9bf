/**
 * Budget oracle: no job starts at the cost of a budget that is used up, none waits for one
 * that is not, and what the host says of a budget is so. It adds up starts and costs by
 * the journal, each at its own moment; a host counts them by steps, so that what has
 * just left the window may still count: for one step, and never for less than the window.
 */
import { BUDGET_LIMITS, BUDGET_ROUNDING, type BudgetLimit } from "../../internal/base/budget.ts";
import type { Millis } from "../../internal/base/env.ts";
import { handlerOfLane, partsOf } from "../../internal/job/lane.ts";
import type { Budget } from "../../internal/store/budgets.ts";
import type { JobFollower } from "./job-oracle.ts";
import type { BudgetRecord, JobRecord } from "./journal.ts";
import type { World } from "./world.ts";

/** Something that was spent, by the clock on the wall. */
interface Spent {
  at: Millis;
  amount: number;
}

/** A limit of a budget, with all that counts of it. */
interface Account {
  limit: BudgetLimit;
  amount: number;
  spent: Spent[];
}

/** A job that runs at the cost of budgets. */
interface Held {
  scopes: readonly string[];
  reserved: number;
  costBefore: number;
}

const DAY: Millis = 86_400_000; // The longest window here.

export class BudgetOracle implements JobFollower {
  readonly #world: World;
  /** By scope. */
  readonly #budgets = new Map<string, Account[]>();
  readonly #held = new Map<string, Held>();
  readonly #claimed = new Map<string, JobRecord>();
  /** Before that, by the time of the world, nobody knows what counts: the clock was set. */
  #sureFrom: Millis = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Budgets that may stay used up for longer than a world lasts. */
  get slow(): readonly string[] {
    const costs = [...this.#budgets].filter(([, accounts]) => accounts.some(isCost));
    return costs.map(([scope]) => scope);
  }

  /** A limit is written, or gone. */
  budget({ scope, limit, amount }: BudgetRecord, isThere: boolean): void {
    const accounts = this.#budgets.get(scope) ?? [];
    const known = accounts.find((account) => account.limit === limit);
    const others = accounts.filter((account) => account !== known);
    if (isThere) others.push({ limit, amount, spent: known?.spent ?? [] });
    if (others.length > 0) this.#budgets.set(scope, others);
    else this.#budgets.delete(scope);
  }

  /** Somebody set the clock: what was spent by the old one counts in ways that are not followed here. */
  clockSet(): void {
    this.#sureFrom = this.#world.time + 2 * DAY;
    for (const accounts of this.#budgets.values()) for (const account of accounts) account.spent = [];
  }

  /** True when all budgets that the jobs of a lane spend surely let one start. */
  maySoonStart(lane: string): boolean {
    const scopes = scopesOf(lane).filter((scope) => this.#budgets.has(scope));
    if (scopes.length > 0 && this.#world.time < this.#sureFrom) return false;
    return scopes.every((scope) => this.#accounts(scope).every((account) => this.#isOpen(scope, account)));
  }

  claimed(job: JobRecord): void {
    this.#claimed.set(job.id, job);
  }

  changed(before: JobRecord, after: JobRecord): void {
    if (before.state !== "running" || after.state === "running") return;
    this.#claimed.delete(after.id); // It met another limit, and went back at once.
    const held = this.#held.get(after.id);
    this.#held.delete(after.id);
    const amount = after.costActual - (held?.costBefore ?? 0);
    for (const scope of held?.scopes ?? []) this.#spend(scope, isCost, amount);
  }

  /** Ends come before claims in a commit, and claims one after the other. */
  endBatch(): void {
    for (const job of this.#claimed.values()) this.#start(job);
    this.#claimed.clear();
  }

  /** What the host says of its budgets. */
  checkSaid(budgets: readonly Budget[]): void {
    if (this.#world.time < this.#sureFrom) return;
    for (const { scope, states } of budgets)
      for (const { limit, spent, reserved, opensAt } of states) {
        const account = this.#accounts(scope).find((one) => one.limit === limit);
        if (!account) continue; // It was set a moment ago.
        const [least, most] = [this.#sum(account, 0), this.#sum(account, stepOf(account))];
        const ours = isCost(account) ? this.#reserved(scope) : 0;
        const said = `${limit} of ${scope} says ${spent} and ${reserved} of ${account.amount}, open at ${opensAt}`;
        this.#expect(near(spent, least, most), `${said}; ${least} to ${most} were spent`);
        this.#expect(near(reserved, ours, ours), `${said}; ${ours} are reserved`);
        const open = opensAt !== null && opensAt <= this.#world.wall();
        this.#expect(!open || !isUsedUp(account, least + ours), `${said}, and is used up`);
        this.#expect(open || !this.#isOpen(scope, account), `${said}, and is not used up`);
      }
  }

  #start(job: JobRecord): void {
    const scopes = scopesOf(job.lane).filter((scope) => this.#budgets.has(scope));
    for (const scope of scopes)
      for (const account of this.#accounts(scope)) {
        const sum = this.#sum(account, 0) + (isCost(account) ? this.#reserved(scope) : 0);
        const said = `${job.id} started at the cost of ${scope}, which has spent ${sum} of ${account.amount}`;
        this.#expect(!isUsedUp(account, sum), `${said} (${account.limit})`);
      }
    for (const scope of scopes) this.#spend(scope, (account) => !isCost(account), 1);
    const costly = scopes.filter((scope) => this.#accounts(scope).some(isCost));
    if (costly.length > 0)
      this.#held.set(job.id, { scopes: costly, reserved: job.costEstimate, costBefore: job.costActual });
  }

  #spend(scope: string, counts: (account: Account) => boolean, amount: number): void {
    if (amount <= 0) return;
    for (const account of this.#accounts(scope))
      if (counts(account)) account.spent.push({ at: this.#world.wall(), amount });
  }

  /** What was spent in the window, or in the last moments before it. */
  #sum({ limit, spent }: Account, moreMs: Millis): number {
    const since = this.#world.wall() - BUDGET_LIMITS[limit].windowMs - moreMs;
    return spent.reduce((sum, { at, amount }) => (at > since ? sum + amount : sum), 0);
  }

  #reserved(scope: string): number {
    let sum = 0;
    for (const { scopes, reserved } of this.#held.values()) if (scopes.includes(scope)) sum += reserved;
    return sum;
  }

  #isOpen(scope: string, account: Account): boolean {
    const reserved = isCost(account) ? this.#reserved(scope) : 0;
    return !isUsedUp(account, this.#sum(account, stepOf(account)) + reserved);
  }

  #accounts(scope: string): readonly Account[] {
    return this.#budgets.get(scope) ?? [];
  }

  #expect(holds: boolean, message: string): void {
    if (!holds) this.#world.violate("promise 9", message);
  }
}

/** Nobody sets a budget for a plugin here: which of two runs a job is not in the journal. */
function scopesOf(lane: string): string[] {
  return [`handler:${handlerOfLane(lane)}`, `tenant:${partsOf(lane).tenant}`];
}

function isCost({ limit }: Pick<Account, "limit">): boolean {
  return BUDGET_LIMITS[limit].counts === "cost";
}

function isUsedUp({ amount }: Account, sum: number): boolean {
  return sum + amount * BUDGET_ROUNDING >= amount;
}

function stepOf({ limit }: Account): Millis {
  return BUDGET_LIMITS[limit].stepMs;
}

function near(value: number, least: number, most: number): boolean {
  const slack = BUDGET_ROUNDING * Math.max(1, most);
  return value >= least - slack && value <= most + slack;
}
