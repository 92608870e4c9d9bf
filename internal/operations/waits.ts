/**
 * Waits: why jobs that could run do not. It is found out when somebody asks, never
 * written down to go stale; what the store knows of it is read once for a list.
 */
import { BUDGET_LIMITS, rounded, scopeOf } from "../base/budget.ts";
import type { Millis } from "../base/env.ts";
import { shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { formatRate } from "../base/rate.ts";
import { isFinished, type Job } from "../job/job.ts";
import { handlerOfLane, laneOf, partsOf } from "../job/lane.ts";
import { type Budget, type BudgetState, closedState } from "../store/budgets.ts";
import type { QueuedLane } from "../store/jobs.ts";
import { type HandlerPause, type KeptLimits, pauseOf } from "../store/limits.ts";
import type { Context, Host } from "./operation.ts";

export interface Waits {
  /** Why no job of a lane runs; null when somebody runs them. */
  lane(lane: string): string | null;
  /** Why what is queued in a lane does not run; null when it waits for free slots alone. */
  queued(lane: QueuedLane): string | null;
  /** Why a job does not run although it could; null when it is not waiting. */
  job(job: Job): string | null;
}

/** Reads what keeps jobs waiting now. */
export async function readWaits({
  env,
  host,
  store,
}: Pick<Context, "env" | "host" | "store">): Promise<Waits> {
  const [pauses, limits, budgets] = await Promise.all([
    store.limits.pauses(),
    store.limits.all(),
    store.budgets.all(),
  ]);
  const limitOf = (name: string) => limits.find(({ handler }) => handler === handlerOfLane(name));
  const lane = (name: string) =>
    pausedSentence(pauseOf(pauses, name)) ??
    laneWaits(host, name) ??
    budgetSentence(budgets, scopesOf(host, name), env.now()) ??
    rateSentence(limitOf(name), env.now());
  const queued = (of: QueuedLane) => lane(of.lane) ?? crowdedLane(of);
  return { lane, queued, job: (job) => jobWaits(job, lane) };
}

/** Why one job does not run although it could. Only for one that is queued anything is read. */
export async function readJobWaits(
  context: Parameters<typeof readWaits>[0],
  job: Job,
): Promise<string | null> {
  if (job.state !== "queued") return jobWaits(job, () => null);
  return (await readWaits(context)).job(job);
}

function jobWaits(job: Job, lane: Waits["lane"]): string | null {
  if (job.state === "paused") return pausedJob(job);
  if (job.waits > 0 && !isFinished(job.state))
    return `waits for ${job.waits} job${job.waits === 1 ? "" : "s"}`;
  if (job.state !== "queued") return null;
  return (
    lane(laneOf(job)) ??
    (job.crowded ? `concurrency: waits for others with the key ${shown(job.concurrencyKey)} to end` : null) ??
    (job.suspect ? "runs alone, because it fell with its neighbours" : "waits for a free slot")
  );
}

function crowdedLane({ count, crowded }: QueuedLane): string | null {
  if (crowded === 0) return null;
  return `concurrency: ${crowded === count ? "all" : crowded} wait for others with their key to end`;
}

function pausedJob({ pause, trigger }: Job): string | null {
  if (pause) return `by ${pause.by}${said(pause.note)}`;
  return trigger === "backfill" ? "waits for its turn in the backfill" : null;
}

function pausedSentence(pause: HandlerPause | undefined): string | null {
  return pause ? `the handler is paused by ${pause.by}${said(pause.note)}` : null;
}

/** The budgets that concern the jobs of a lane. */
function scopesOf(host: Host | null, lane: string): string[] {
  const { tenant, plugin } = partsOf(lane);
  const runner = plugin || host?.plugins.offers(lane)?.plugin;
  return [
    scopeOf("handler", handlerOfLane(lane)),
    scopeOf("tenant", tenant),
    ...(runner === undefined ? [] : [scopeOf("plugin", runner)]),
  ];
}

/** Of the budgets that are used up, the one that opens last. */
function budgetSentence(budgets: readonly Budget[], scopes: readonly string[], now: Millis): string | null {
  const closed = budgets.flatMap((budget) => {
    const state = scopes.includes(budget.scope) ? closedState(budget, now) : null;
    return state ? [{ scope: budget.scope, state }] : [];
  });
  const opens = ({ opensAt }: BudgetState) => opensAt ?? Number.POSITIVE_INFINITY;
  const [last] = closed.toSorted((a, b) => opens(b.state) - opens(a.state));
  return last ? `budget: ${last.scope} ${usedUp(last.state)}` : null;
}

/** What was used of a limit, and when the next job starts. */
function usedUp({ limit, amount, spent, reserved, opensAt }: BudgetState): string {
  const { counts, per } = BUDGET_LIMITS[limit];
  const more = reserved > 0 ? `, and ${rounded(reserved)} more is reserved for jobs that run` : "";
  const used =
    counts === "calls"
      ? `has made ${spent} of ${amount} calls ${per}`
      : `has spent ${rounded(spent)} of ${rounded(amount)} ${per}${more}`;
  // What is reserved is given back when its job has cost less: nobody knows when that is.
  const sooner = reserved > 0 ? ", or when one of those that run has cost less than is reserved" : "";
  const next =
    opensAt === null ? "when one of those that run has ended" : `at ${formatInstant(opensAt)}${sooner}`;
  return `${used}; the next one starts ${next}`;
}

function rateSentence(limits: KeptLimits | undefined, now: Millis): string | null {
  if (!limits?.rate || limits.opensAt === null || limits.opensAt <= now) return null;
  return `rate: ${formatRate(limits.rate)}; the next one starts at ${formatInstant(limits.opensAt)}`;
}

function said(note: string): string {
  return note === "" ? "" : `: ${note}`;
}

/** Says why nobody could run jobs of a lane; null when somebody could. */
export function laneWaits(host: Host | null, lane: string): string | null {
  if (!host) return "no host is running";
  if (!host.ready) return "the host is starting"; // A plugin may be ready; its handlers are not registered yet.
  const offer = host.plugins.offers(lane);
  if (!offer) return `no plugin offers "${lane}"`;
  if (offer.live) return null;
  const { state } = host.plugins.statuses().find(({ name }) => name === offer.plugin) ?? {};
  return state === "ready"
    ? `plugin ${offer.plugin} runs, but says that it does not know "${lane}"`
    : `plugin ${offer.plugin} is not running`;
}
