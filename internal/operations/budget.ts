/**
 * What can be done to budgets: what the jobs of a tenant, a plugin or a handler may cost,
 * and how often they may start. For people alone: a plugin does not set its own.
 */
import { z } from "zod";
import { principalName } from "../access/principal.ts";
import {
  BUDGET_KINDS,
  BUDGET_LIMIT_NAMES,
  type BudgetAmounts,
  type BudgetLimit,
  isBudgetLimit,
  parseScope,
  rounded,
  scopeOf,
  wrongAmount,
} from "../base/budget.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { nearest } from "../base/suggest.ts";
import type { Budget } from "../store/budgets.ts";
import { announcedHandler } from "./handler.ts";
import { handlerWarnings } from "./handler-offer.ts";
import { type Context, operation } from "./operation.ts";

const scope = z.string("is missing: whose budget it is, like tenant:acme.");
const amount = z.number("must be a number.").optional();

export const budgetList = operation({
  name: "budget.list",
  summary: "List budgets, what was spent of them, and when those open that are used up",
  input: z.strictObject({}),
  async run({ env, store }): Promise<{ budgets: BudgetView[] }> {
    return { budgets: (await store.budgets.all()).map((budget) => viewBudget(budget, env.now())) };
  },
});

export const budgetShow = operation({
  name: "budget.show",
  summary: "Show a budget",
  input: z.strictObject({ scope }),
  async run(context, { scope: text }) {
    const named = await resolveScope(context, text);
    const budget = await context.store.budgets.get(named);
    if (!budget) throw await noSuchBudget(context, named);
    return viewBudget(budget, context.env.now());
  },
});

export const budgetSet = operation({
  name: "budget.set",
  summary: "Set what the jobs of a tenant, a plugin or a handler may cost, and how often they may start",
  changes: true,
  input: z.strictObject({
    scope,
    costPerDay: amount,
    costPerWeek: amount,
    costPerMonth: amount,
    callsPerMinute: amount,
  } satisfies Record<"scope" | BudgetLimit, unknown>),
  async run(context, { scope: text, ...given }): Promise<BudgetView & { warnings: string[] }> {
    const amounts = readAmounts(given);
    const named = await resolveScope(context, text);
    await refuseDeclared(context, named);
    const budget = await context.store.budgets.set(
      { scope: named, amounts },
      principalName(context.principal),
    );
    return { ...viewBudget(budget, context.env.now()), warnings: await scopeWarnings(context, named) };
  },
});

export const budgetUnset = operation({
  name: "budget.unset",
  summary: "Take limits of a budget away, or all of them",
  changes: true,
  input: z.strictObject({ scope, limits: z.array(z.string()).optional() }),
  async run(context, { scope: text, limits }): Promise<{ scope: string; unset: BudgetLimit[] }> {
    const wanted = limits?.map(readLimit);
    const named = await resolveScope(context, text);
    await refuseDeclared(context, named);
    const unset = await context.store.budgets.unset(named, wanted);
    if (unset) return { scope: named, unset };
    const budget = await context.store.budgets.get(named);
    if (!budget) throw await noSuchBudget(context, named);
    const others = budget.states.map(({ limit }) => limit).join(", ");
    throw new Fault("not-found", `The budget ${named} has no ${wanted?.join(" and no ")}.`, {
      hint: `It has ${others}.`,
    });
  },
});

export const budgetOperations = [budgetList, budgetShow, budgetSet, budgetUnset];

/** How a budget is shown. */
export interface BudgetView {
  scope: string;
  setBy: string;
  /** True when qntx.toml says it: it is changed there. */
  declared: boolean;
  limits: LimitView[];
}

export interface LimitView {
  limit: BudgetLimit;
  amount: number;
  /** In the window that ends now. */
  spent: number;
  /** Estimates of jobs that run. */
  reserved: number;
  /** True when it keeps jobs waiting. */
  closed: boolean;
  /** When it opens; null when it is open, or when it opens as soon as a job that runs has ended. */
  opensAt: string | null;
  since: string;
}

function viewBudget({ scope: named, setBy, declared, states }: Budget, now: number): BudgetView {
  const limits = states.map(({ limit, amount: most, spent, reserved, opensAt, since }) => {
    const closed = opensAt === null || opensAt > now;
    return {
      limit,
      amount: most,
      spent: rounded(spent),
      reserved: rounded(reserved),
      closed,
      opensAt: closed && opensAt !== null ? formatInstant(opensAt) : null,
      since: formatInstant(since),
    };
  });
  return { scope: named, setBy, declared, limits };
}

function readAmounts(given: BudgetAmounts): BudgetAmounts {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  if (entries.length === 0)
    throw new Fault("usage", "No limit is given.", {
      hint: `Give at least one of ${BUDGET_LIMIT_NAMES.join(", ")}.`,
    });
  for (const [limit, value] of entries) {
    const must = isBudgetLimit(limit) ? wrongAmount(limit, value) : null;
    if (must !== null)
      throw fieldFault(
        limit,
        `${shown(value)} must be ${must}.`,
        "What must not run at all is paused: qntx handler pause.",
      );
  }
  return given;
}

function readLimit(word: string): BudgetLimit {
  if (isBudgetLimit(word)) return word;
  const meant = nearest(word, BUDGET_LIMIT_NAMES);
  throw fieldFault(
    "limits",
    `${shown(word)} is not a limit of a budget.`,
    meant ? `Did you mean ${meant}?` : `They are ${BUDGET_LIMIT_NAMES.join(", ")}.`,
  );
}

/** The scope as it is kept: a saved handler has its whole name. Throws a Fault that names the field. */
async function resolveScope(context: Context, text: string): Promise<string> {
  const { kind, name } = parseScope(text, "scope");
  if (kind !== "handler") return scopeOf(kind, name);
  return scopeOf(kind, (await announcedHandler(context, name)) ?? name);
}

/** One that nobody knows is taken all the same, for its plugin may come later; whoever names it is told. */
async function scopeWarnings(context: Context, named: string): Promise<string[]> {
  const { kind, name } = parseScope(named, "scope");
  if (kind === "handler") return handlerWarnings(context, [name]);
  if (kind === "tenant" || !context.host?.ready) return [];
  const plugins = context.host.plugins.statuses().map((plugin) => plugin.name);
  if (plugins.includes(name)) return [];
  const meant = nearest(name, plugins);
  return [`There is no plugin "${name}" now.${meant === undefined ? "" : ` Did you mean ${meant}?`}`];
}

async function refuseDeclared({ store }: Context, named: string): Promise<void> {
  const budget = await store.budgets.get(named);
  if (!budget?.declared) return;
  throw new Fault("conflict", `The budget ${named} stands in ${budget.setBy} and would be set back.`, {
    hint: "Change it there; the host reads that when it starts.",
  });
}

async function noSuchBudget({ store }: Context, named: string): Promise<Fault> {
  const scopes = (await store.budgets.all()).map((budget) => budget.scope);
  const meant = nearest(named, scopes);
  return new Fault("not-found", `There is no budget ${named}.`, {
    hint: meant
      ? `Did you mean ${meant}?`
      : `qntx budget list shows them; a scope is ${BUDGET_KINDS.join(":…, ")}:….`,
  });
}
