/**
 * Decide: what becomes of the occurrences that are due. Pure: the store calls it
 * inside the transaction that writes what it decides.
 *
 * Everything in (accountedUntil, now] whose effective time has come is accounted
 * for, each occurrence once. Long outages are arithmetic, never a walk: only
 * occurrences of the last minute, and those that run, are looked at one by one.
 */
import type { Millis } from "../base/env.ts";
import { assert } from "../base/fault.ts";
import { askingUntil } from "./asking.ts";
import { mergedBlackouts, outside } from "./blackout.ts";
import { effectiveAt } from "./jitter.ts";
import { missedRows } from "./missed.ts";
import { type Closing, type Stop, Turns, type Waiting } from "./overlap.ts";
import type { Recurrence } from "./recurrence.ts";
import { type DecidedRow, range } from "./rows.ts";
import { LATE_AFTER_MS, MISSED_AFTER_MS, type OccurrenceOutcome, type Policy } from "./schedule.ts";

export interface DecideRequest {
  scheduleId: string;
  recurrence: Recurrence;
  policy: Policy;
  accountedUntil: Millis;
  now: Millis;
  /** True while a job of an earlier occurrence is not finished. */
  open: boolean;
  /** Occurrences that wait for it to end, or for their locks, in order. */
  waiting: readonly Waiting[];
  runCount: number;
  /** True when an occurrence must be locked before it may run. */
  asks?: boolean;
  /** Those of the waiting whose lock was just given. */
  granted?: ReadonlySet<Millis>;
  /** True before a change of the plan: what part of a blackout has passed is written now. */
  closing?: boolean;
}

export interface Decision {
  /** In the order of their occurrences. */
  rows: DecidedRow[];
  /** Waiting occurrences that come to their end. */
  closings: Closing[];
  /** Waiting occurrences that have their lock, and wait for the run before them from now on. */
  lined: readonly Waiting[];
  /** What becomes of the run that is open. */
  stop: Stop;
  accountedUntil: Millis;
  /** The next occurrence that will run; null when there is none left. */
  next: Millis | null;
  /** When somebody must look again; null when nothing is left to look at. */
  dueAt: Millis | null;
  /** True when nothing will ever be left to do. */
  finished: boolean;
  /** Up to here something was planned: what follows the last allowed run is no occurrence. */
  plannedUntil: Millis;
}

/** The instants after `start`, up to and with `end`. */
interface Span {
  start: Millis;
  end: Millis;
}

/** The occurrence after `after` that the bounds and blackouts of the policy allow. */
export function nextWithin(recurrence: Recurrence, policy: Policy, after: Millis): Millis | null {
  const from = policy.startAt === null ? after : Math.max(after, policy.startAt - 1);
  const next = outside(recurrence, policy.blackouts).next(from);
  return next === null || (policy.endAt !== null && next > policy.endAt) ? null : next;
}

/** Decides everything that is due. */
export function decide(request: DecideRequest): Decision {
  const { policy, now, scheduleId, recurrence } = request;
  const plan = outside(recurrence, policy.blackouts);
  const turns = new Turns({
    ...request,
    lateMs: (occurrence) => now - effectiveAt(scheduleId, occurrence, policy, plan),
  });
  turns.release();

  // Never ahead of the clock: a start that is still to come may be changed.
  const begin = Math.min((policy.startAt ?? Number.NEGATIVE_INFINITY) - 1, now);
  const start = Math.max(request.accountedUntil, begin);
  const end = policy.endAt === null ? now : Math.min(now, policy.endAt);
  const until = Math.max(start, Math.min(end, lastMissed(request, plan, { start, end })));
  const recent = due(request, plan, until, end);
  const missed = missedRows({
    recurrence: plan,
    policy,
    now,
    turns,
    after: start,
    until,
    superseded: recent.length > 0,
  });
  const rows = linked([...missed, ...recent.map((occurrence) => turns.meet(occurrence))]);
  const spent = turns.runsLeft <= 0;
  const kept = spent ? cutAfterLastRun(rows) : rows;
  const passed = passBlackouts(request, plan, {
    start,
    end,
    until: Math.max(until, rows.at(-1)?.lastOccurrence ?? start),
  });
  const { closings, lined, stop } = turns;
  const outlook = look(request, { turns, accountedUntil: passed.until, now });
  // Otherwise the ticker would come back at once, for ever.
  assert(outlook.dueAt === null || outlook.dueAt > now, "what is due is decided");
  const plannedUntil = spent ? (kept.at(-1)?.lastOccurrence ?? request.accountedUntil) : passed.until;
  const blackouts = passed.rows.filter(({ occurrence }) => occurrence <= plannedUntil);
  return {
    rows: [...kept, ...blackouts].toSorted((a, b) => a.occurrence - b.occurrence),
    closings,
    lined,
    stop,
    plannedUntil,
    ...outlook,
  };
}

/** Accounts for a quiet span (a pause) as one range; null when no occurrence lies in it. */
export function quietRange(
  recurrence: Recurrence,
  policy: Policy,
  { after, until, outcome }: { after: Millis; until: Millis; outcome: OccurrenceOutcome },
): DecidedRow | null {
  const from = policy.startAt === null ? after : Math.max(after, policy.startAt - 1);
  const to = policy.endAt === null ? until : Math.min(until, policy.endAt);
  return range(recurrence, from, to, outcome);
}

/** When somebody must look again. */
export function look(
  { scheduleId, recurrence, policy }: Pick<DecideRequest, "scheduleId" | "recurrence" | "policy">,
  {
    turns,
    accountedUntil,
    now,
  }: { turns: Pick<Turns, "waiting" | "runsLeft">; accountedUntil: Millis; now: Millis },
): Pick<Decision, "accountedUntil" | "next" | "dueAt" | "finished"> {
  const spent = turns.runsLeft - turns.waiting.length <= 0;
  const next = spent ? null : nextWithin(recurrence, policy, accountedUntil);
  assert(next === null || next > accountedUntil, "the next occurrence is not accounted for yet");
  const plan = outside(recurrence, policy.blackouts);
  const clear = spent ? null : blackoutEnd(recurrence, policy, accountedUntil);
  const times = [
    next === null ? null : effectiveAt(scheduleId, next, policy, plan),
    // Who comes before the end of a blackout comes first, and may wait for its jitter until behind it.
    next !== null && clear !== null && next < clear ? null : clear,
    ...turns.waiting.map(({ occurrence, asks }) => {
      const at = effectiveAt(scheduleId, occurrence, policy, plan);
      return (
        at + (asks ? askingUntil({ late: now - at > MISSED_AFTER_MS }, policy) : policy.latenessMaxMs + 1)
      );
    }),
  ].flatMap((at) => at ?? []);
  return {
    accountedUntil,
    next,
    dueAt: times.length === 0 ? null : Math.min(...times),
    finished: times.length === 0,
  };
}

/**
 * The instant up to which occurrences are missed. One that should have started more than a
 * minute ago says that nobody was there, and that holds for all after it that are late.
 */
function lastMissed(request: DecideRequest, plan: Recurrence, { start, end }: Span): Millis {
  const until = dueUntil(request, plan, { start, end: request.now - MISSED_AFTER_MS });
  const nobodyThere = plan.latest(start, Math.min(until, end)) !== null;
  return nobodyThere ? dueUntil(request, plan, { start, end: request.now - LATE_AFTER_MS - 1 }) : until;
}

/**
 * The instant up to which occurrences should have started by `end`. Jitter keeps their
 * order, so that of those whose own instant was before, only the last can have been waiting still.
 */
function dueUntil({ policy, scheduleId }: DecideRequest, plan: Recurrence, { start, end }: Span): Millis {
  const last = plan.latest(start, end);
  return last === null || effectiveAt(scheduleId, last, policy, plan) <= end ? end : last - 1;
}

/** The occurrences in (after, until] whose effective time has come, in order. */
function due(
  { policy, scheduleId, now }: DecideRequest,
  plan: Recurrence,
  after: Millis,
  until: Millis,
): Millis[] {
  const found: Millis[] = [];
  for (let at = plan.next(after); at !== null && at <= until; at = plan.next(at)) {
    if (effectiveAt(scheduleId, at, policy, plan) > now) break;
    found.push(at);
  }
  return found;
}

/**
 * Accounts for blackouts: those that lie before `until`, and those behind it that have
 * ended without an occurrence of the plan before their end that still waits for its time.
 */
function passBlackouts(
  { recurrence, policy, closing }: DecideRequest,
  plan: Recurrence,
  { start, end, until }: { start: Millis; end: Millis; until: Millis },
): { rows: DecidedRow[]; until: Millis } {
  const rows: DecidedRow[] = [];
  let passed = until;
  for (const { from, to } of mergedBlackouts(policy.blackouts)) {
    if (from > end || to <= start) continue;
    const last = Math.min(to - 1, end);
    const over = to - 1 <= end || end === policy.endAt || closing === true;
    if (last > passed && over && (plan.next(passed) ?? Number.POSITIVE_INFINITY) > last) passed = last;
    const row = range(recurrence, Math.max(start, from - 1), Math.min(last, passed), "blackout");
    if (row) rows.push(row);
  }
  return { rows, until: passed };
}

/** The end of the next blackout that has occurrences to account for. */
function blackoutEnd(recurrence: Recurrence, policy: Policy, after: Millis): Millis | null {
  for (const { from, to } of mergedBlackouts(policy.blackouts)) {
    if (to - 1 <= after || (policy.endAt !== null && from > policy.endAt)) continue;
    const first = recurrence.next(Math.max(after, from - 1));
    if (first !== null && first < to && (policy.endAt === null || first <= policy.endAt)) return to;
  }
  return null;
}

/** Says which run a coalesced occurrence became part of: the next one that fires or waits. Without one it was simply missed. */
function linked(rows: DecidedRow[]): DecidedRow[] {
  let into: Millis | null = null;
  for (const row of rows.toReversed()) {
    if (row.fires || row.outcome === "pending") into = row.occurrence;
    if (row.outcome !== "coalesced") continue;
    row.into = into;
    if (into === null) row.outcome = "skipped-missed";
  }
  return rows;
}

/** After the last allowed run the schedule is finished: what would follow is no occurrence of it. */
function cutAfterLastRun(rows: DecidedRow[]): DecidedRow[] {
  return rows.slice(0, rows.findLastIndex((row) => row.fires) + 1);
}
