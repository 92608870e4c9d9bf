/**
 * Budget: what the jobs of a tenant, a plugin or a handler may cost in a day, a week or
 * a month, and how often they may start in a minute.
 *
 * Each limit looks back over a window that ends now; a month is thirty days. What was
 * spent is kept in steps of the window, and counts until all of its step has left the
 * window: never forgotten too early, and at most one step too late. Pure.
 *
 * How long a plugin may take for a call is another thing: internal/plugin/budget.ts.
 */
import type { Millis } from "./env.ts";
import { type Fault, fieldFault, shown } from "./fault.ts";
import { RATE_COUNT_MAX } from "./rate.ts";
import { nearest } from "./suggest.ts";

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/** Every limit that a budget may have. Each window is a whole number of steps, about a hundred: few to add up, fine enough. */
export const BUDGET_LIMITS = {
  costPerDay: { counts: "cost", per: "a day", windowMs: DAY, stepMs: 15 * MINUTE },
  costPerWeek: { counts: "cost", per: "a week", windowMs: 7 * DAY, stepMs: 2 * HOUR },
  costPerMonth: { counts: "cost", per: "a month", windowMs: 30 * DAY, stepMs: 6 * HOUR },
  callsPerMinute: { counts: "calls", per: "a minute", windowMs: MINUTE, stepMs: 1_000 },
} as const satisfies Record<
  string,
  { counts: "cost" | "calls"; per: string; windowMs: Millis; stepMs: Millis }
>;

export type BudgetLimit = keyof typeof BUDGET_LIMITS;

/** How much each limit allows; an absent one allows everything. */
export type BudgetAmounts = Partial<Record<BudgetLimit, number | undefined>>;

export const BUDGET_LIMIT_NAMES = Object.keys(BUDGET_LIMITS).filter(isBudgetLimit);

/** Whose jobs a budget is for. Written `tenant:acme`; `tenant:` is for jobs of no tenant. */
export const BUDGET_KINDS = ["tenant", "plugin", "handler"] as const;
export type BudgetKind = (typeof BUDGET_KINDS)[number];

export const BUDGET_ROUNDING = 1e-9; // Of an amount: so little counts as nothing left, for sums of fractions are never exact.
export const BUDGET_COST_MAX = 1e12; // Sums of such amounts are still exact to a thousandth.
const SCOPE_CHARS_MAX = 256;

/** What was spent in one step of a window. */
export interface Spent {
  /** Its number: the time divided by the step's length. */
  step: number;
  amount: number;
}

/** True for a word that is a limit. */
export function isBudgetLimit(word: string): word is BudgetLimit {
  return Object.hasOwn(BUDGET_LIMITS, word);
}

/** How a budget is named. */
export function scopeOf(kind: BudgetKind, name: string): string {
  return `${kind}:${name}`;
}

/** Reads `tenant:acme`, `plugin:python` or `handler:python.report`. Throws a Fault that names the field. */
export function parseScope(text: string, field: string): { kind: BudgetKind; name: string } {
  const colon = text.indexOf(":");
  const [word, name] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)];
  const kind = BUDGET_KINDS.find((known) => known === word);
  if (colon < 0 || !kind) throw noScope(text, field);
  if (name === "" && kind !== "tenant")
    throw fieldFault(field, `${shown(text)} names no ${kind}.`, `Write it like "${kind}:NAME".`);
  if (text.length > SCOPE_CHARS_MAX || /[\s\p{Cc}]/u.test(name))
    throw fieldFault(field, `${shown(text)} cannot be the name of a ${kind}.`, "It has no blanks.");
  if (kind === "handler" && name.includes("/"))
    throw fieldFault(
      field,
      `${shown(text)} names a plugin as well.`,
      `A handler's budget is for all its jobs: handler:${name.slice(name.indexOf("/") + 1)}`,
    );
  return { kind, name };
}

function noScope(text: string, field: string): Fault {
  const kind = nearest(text.slice(0, Math.max(0, text.indexOf(":"))), BUDGET_KINDS);
  const hint =
    kind === undefined
      ? 'Write it like "tenant:acme", "plugin:python" or "handler:python.report".'
      : `Did you mean ${kind}:${text.slice(text.indexOf(":") + 1)}?`;
  return fieldFault(field, `${shown(text)} does not say whose budget it is.`, hint);
}

/** Completes "must be …" for an amount that a limit cannot have; null for one that it can. */
export function wrongAmount(limit: BudgetLimit, amount: unknown): string | null {
  const isCost = BUDGET_LIMITS[limit].counts === "cost";
  const max = isCost ? BUDGET_COST_MAX : RATE_COUNT_MAX;
  const isRight =
    typeof amount === "number" && amount > 0 && amount <= max && (isCost || Number.isInteger(amount));
  if (isRight) return null;
  return isCost ? `a number above 0, up to ${BUDGET_COST_MAX}` : `a whole number from 1 to ${max}`;
}

/** The step that a moment falls into. */
export function stepOf(limit: BudgetLimit, at: Millis): number {
  return Math.floor(at / BUDGET_LIMITS[limit].stepMs);
}

/** The last step that has left the window. */
export function lastGone(limit: BudgetLimit, now: Millis): number {
  const { windowMs, stepMs } = BUDGET_LIMITS[limit];
  return Math.floor((now - windowMs) / stepMs) - 1;
}

/** What counts now. */
export function spentNow(limit: BudgetLimit, spent: readonly Spent[], now: Millis): number {
  const gone = lastGone(limit, now);
  return spent.reduce((sum, { step, amount }) => (step > gone ? sum + amount : sum), 0);
}

/**
 * When something is left again of `amount`, the oldest of what was `spent` first; `now` when something is. Null when
 * what is `reserved` uses it up alone.
 */
export function leftAt(
  limit: BudgetLimit,
  { amount, spent, reserved }: { amount: number; spent: readonly Spent[]; reserved: number },
  now: Millis,
): Millis | null {
  const { windowMs, stepMs } = BUDGET_LIMITS[limit];
  let total = spentNow(limit, spent, now) + reserved;
  const isLeft = () => total + amount * BUDGET_ROUNDING < amount;
  if (isLeft()) return now;
  const [gone, present] = [lastGone(limit, now), stepOf(limit, now)];
  for (const { step, amount: part } of spent) {
    if (step <= gone) continue;
    total -= part;
    // Of a clock that was set back: it counts as spent now.
    if (isLeft()) return (Math.min(step, present) + 1) * stepMs + windowMs;
  }
  return null;
}

/** An amount as people read it: sums of fractions have long tails. */
export function rounded(amount: number): number {
  return Number(amount.toPrecision(12));
}
