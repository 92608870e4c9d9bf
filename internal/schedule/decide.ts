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
import type { Recurrence } from "./recurrence.ts";
import { LATE_AFTER_MS, MISSED_AFTER_MS, type OccurrenceOutcome, type Policy } from "./schedule.ts";

/** A ledger row to be written. `fires` rows become a job; a row with `count > 1` is a quiet range. */
export interface DecidedRow {
  occurrence: Millis;
  lastOccurrence: Millis;
  count: number;
  outcome: OccurrenceOutcome;
  fires: boolean;
  catchup: boolean;
  /** Coalesced: the occurrence it became part of. Skipped for overlap: null, the open job is the reason. */
  into: Millis | null;
}

export interface Decision {
  rows: DecidedRow[];
  accountedUntil: Millis;
  /** The next occurrence and when the ticker must look at it; null when there is none left. */
  next: Millis | null;
  dueAt: Millis | null;
}

export interface DecideRequest {
  scheduleId: string;
  recurrence: Recurrence;
  policy: Policy;
  accountedUntil: Millis;
  now: Millis;
  /** True while a job of an earlier occurrence is not finished. */
  open: boolean;
  runCount: number;
}

/** The occurrence after `after` that the bounds of the policy allow. */
export function nextWithin(recurrence: Recurrence, policy: Policy, after: Millis): Millis | null {
  const from = policy.startAt === null ? after : Math.max(after, policy.startAt - 1);
  const next = recurrence.next(from);
  return next === null || (policy.endAt !== null && next > policy.endAt) ? null : next;
}

/**
 * When an occurrence really starts: its nominal instant plus a share of the jitter
 * that depends on nothing but the schedule and the instant, and never reaches the
 * occurrence after it.
 */
export function effectiveAt(
  scheduleId: string,
  occurrence: Millis,
  policy: Policy,
  recurrence: Recurrence,
): Millis {
  if (policy.jitterMs === 0) return occurrence;
  const following = recurrence.next(occurrence);
  const room = following === null ? policy.jitterMs : Math.min(policy.jitterMs, following - occurrence - 1);
  return occurrence + Math.floor(share(scheduleId, occurrence) * room);
}

/** Decides everything that is due. Rows come in the order of their occurrences. */
export function decide(request: DecideRequest): Decision {
  const { recurrence, policy, now, scheduleId } = request;
  const rows: DecidedRow[] = [];
  const start =
    policy.startAt === null ? request.accountedUntil : Math.max(request.accountedUntil, policy.startAt - 1);
  const end = policy.endAt === null ? now : Math.min(now, policy.endAt);
  const missedUntil = Math.min(end, lastMissed(request, start));

  const recent = due(request, Math.max(start, missedUntil), end);
  if (missedUntil > start) rows.push(...missed(request, start, missedUntil, recent.length > 0));

  const ledger = new Slots(request, rows);
  for (const occurrence of recent) rows.push(ledger.take(occurrence));
  linkCoalesced(rows);

  const last = rows.at(-1);
  const accountedUntil = Math.max(start, last?.lastOccurrence ?? start, missedUntil);
  const fired = rows.filter((row) => row.fires).length;
  const spent = policy.runsMax !== null && request.runCount + fired >= policy.runsMax;
  const next = spent ? null : nextWithin(recurrence, policy, accountedUntil);
  assert(next === null || next > accountedUntil, "the next occurrence is not accounted for yet");
  return {
    rows: spent ? cutAfterLastRun(rows) : rows,
    accountedUntil,
    next,
    dueAt: next === null ? null : effectiveAt(scheduleId, next, policy, recurrence),
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

/**
 * The instant up to which occurrences are missed: they should have started more than a
 * minute ago. Jitter keeps their order, so that of those whose own instant was then, only
 * the last can have been waiting still.
 */
function lastMissed({ recurrence, policy, scheduleId, now }: DecideRequest, start: Millis): Millis {
  const until = now - MISSED_AFTER_MS;
  const last = recurrence.latest(start, until);
  if (last === null || effectiveAt(scheduleId, last, policy, recurrence) <= until) return until;
  return last - 1;
}

/** The occurrences in (after, until] whose effective time has come, in order. */
function due({ recurrence, policy, scheduleId, now }: DecideRequest, after: Millis, until: Millis): Millis[] {
  const found: Millis[] = [];
  for (let at = recurrence.next(after); at !== null && at <= until; at = recurrence.next(at)) {
    if (effectiveAt(scheduleId, at, policy, recurrence) > now) break;
    found.push(at);
  }
  return found;
}

/** Takes the on-time occurrences one by one: the first that may run runs, and the next ones meet it. */
class Slots {
  readonly #request: DecideRequest;
  #open: boolean;
  #runsLeft: number;

  constructor(request: DecideRequest, before: readonly DecidedRow[]) {
    const fired = before.filter((row) => row.fires).length;
    this.#request = request;
    this.#open = request.open || fired > 0;
    this.#runsLeft = (request.policy.runsMax ?? Number.POSITIVE_INFINITY) - request.runCount - fired;
  }

  take(occurrence: Millis): DecidedRow {
    const { policy, recurrence, scheduleId, now } = this.#request;
    const lateMs = now - effectiveAt(scheduleId, occurrence, policy, recurrence);
    if (lateMs > policy.latenessMaxMs) return single(occurrence, "expired");
    if ((this.#open && policy.overlap === "skip") || this.#runsLeft <= 0)
      return single(occurrence, "skipped-overlap");
    this.#open = true;
    this.#runsLeft -= 1;
    return single(occurrence, lateMs > LATE_AFTER_MS ? "fired-late" : "fired", { fires: true });
  }
}

/** Applies the missed-run policy to (after, until]. `superseded`: an on-time occurrence runs anyway. */
function missed(
  { recurrence, policy, now, open }: DecideRequest,
  after: Millis,
  until: Millis,
  superseded: boolean,
): DecidedRow[] {
  const rows: DecidedRow[] = [];
  const add = (row: DecidedRow | null) => void (row && rows.push(row));

  const expiredUntil = clamp(now - policy.latenessMaxMs, after, until);
  const windowFrom = clamp(now - policy.missedWindowMs, expiredUntil, until);
  add(range(recurrence, after, expiredUntil, "expired"));
  if (policy.missed === "skip") {
    add(range(recurrence, expiredUntil, until, "skipped-missed"));
    return rows;
  }
  add(range(recurrence, expiredUntil, windowFrom, "skipped-missed"));

  if (superseded) {
    add(range(recurrence, windowFrom, until, "coalesced"));
    return rows;
  }
  const chosen =
    policy.missed === "earliest" ? recurrence.next(windowFrom) : recurrence.latest(windowFrom, until);
  if (chosen === null || chosen > until) return rows;
  const rest = policy.missed === "earliest" ? "skipped-missed" : "coalesced";
  const blocked = open && policy.overlap === "skip";

  add(range(recurrence, windowFrom, chosen - 1, rest));
  rows.push(
    blocked ? single(chosen, "skipped-overlap") : single(chosen, "caught-up", { fires: true, catchup: true }),
  );
  add(range(recurrence, chosen, until, rest));
  return rows;
}

/** Says which run a coalesced occurrence became part of: the next one that fires. Without one it was simply missed. */
function linkCoalesced(rows: DecidedRow[]): void {
  let into: Millis | null = null;
  for (const row of rows.toReversed()) {
    if (row.fires) into = row.occurrence;
    if (row.outcome !== "coalesced") continue;
    row.into = into;
    if (into === null) row.outcome = "skipped-missed";
  }
}

/** After the last allowed run the schedule is finished: what would follow is no occurrence of it. */
function cutAfterLastRun(rows: DecidedRow[]): DecidedRow[] {
  return rows.slice(0, rows.findLastIndex((row) => row.fires) + 1);
}

function single(
  occurrence: Millis,
  outcome: OccurrenceOutcome,
  { fires = false, catchup = false } = {},
): DecidedRow {
  return { occurrence, lastOccurrence: occurrence, count: 1, outcome, fires, catchup, into: null };
}

function range(
  recurrence: Recurrence,
  after: Millis,
  until: Millis,
  outcome: OccurrenceOutcome,
): DecidedRow | null {
  const first = until > after ? recurrence.next(after) : null;
  if (first === null || first > until) return null;
  const last = recurrence.latest(after, until);
  assert(last !== null && last >= first, "a range has a last occurrence");
  const count = recurrence.count(after, until);
  return {
    occurrence: first,
    lastOccurrence: last,
    count,
    outcome,
    fires: false,
    catchup: false,
    into: null,
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** A number in [0, 1) from the schedule and the instant: FNV-1a, enough to spread starts. */
function share(scheduleId: string, occurrence: Millis): number {
  let hash = 0x811c9dc5;
  for (const character of `${scheduleId}@${occurrence}`) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0) / 2 ** 32;
}
