/**
 * Verify: compares the rows of the ledger with what was planned, occurrence by
 * occurrence. Pure, and fed with rows in their order, so that a ledger of any
 * length is checked in pages.
 *
 * A row costs one look-up, a range one count however long it is, and a span
 * without rows one count: nothing walks the plan. Two lines are followed through
 * the plan at once, because a range of missed occurrences leaves out the blackouts
 * inside it, which have rows of their own:
 *
 *   light   outside of blackouts   every row but those of blackouts
 *   dark    inside of blackouts    blackouts; pauses and changes of the plan as well
 */
import type { Millis } from "../base/env.ts";
import { mergedBlackouts } from "./blackout.ts";
import { type Definition, planned } from "./planned.ts";
import type { Recurrence } from "./recurrence.ts";
import type { Blackout, Occurrence, Policy } from "./schedule.ts";
import { everything, type Term } from "./terms.ts";

/** A row as far as it is checked. */
export type LedgerRow = Pick<Occurrence, "occurrence" | "lastOccurrence" | "count" | "outcome">;

/** Something that is wrong: from where on, and how many occurrences are concerned. */
export interface Finding {
  kind: "missing" | "twice" | "unplanned";
  at: Millis;
  count: number;
}

export interface Verdict {
  /** Occurrences that were planned. */
  planned: number;
  /** Planned, and without a row. */
  gap: number;
  /** Recorded a second time, or without having been planned. */
  dup: number;
  /** Differences in terms that were decided by other time zone data: nobody can judge them now. */
  unjudged: number;
  /** The first of what is wrong. */
  findings: Finding[];
}

export interface VerificationOptions {
  /** In order. */
  terms: readonly Term[];
  /** Up to here the cursor has accounted for everything. */
  accountedUntil: Millis;
  /** From after here on the ledger is whole; what is older may have been removed. */
  from: Millis;
  /** The time zone data of this program. */
  tzdata: string;
}

const FINDINGS_MAX = 5; // Who has seen five knows what to look at.

/** Checks the rows of one cursor. Throws when a definition cannot be evaluated. */
export class Verification {
  readonly #terms: readonly Term[];
  readonly #accountedUntil: Millis;
  readonly #tzdata: string;
  readonly #verdict: Verdict = { planned: 0, gap: 0, dup: 0, unjudged: 0, findings: [] };
  #from: Millis;
  #index = -1;
  #current: TermCheck | null = null;
  /** Where the current term ends. */
  #until = Number.NEGATIVE_INFINITY;

  constructor({ terms, accountedUntil, from, tzdata }: VerificationOptions) {
    this.#terms = terms;
    this.#accountedUntil = accountedUntil;
    this.#tzdata = tzdata;
    this.#from = from;
  }

  /** Takes the next row; rows come by their first occurrence. */
  row(row: LedgerRow): void {
    if (row.occurrence <= this.#from) {
      // It was kept, and reaches over the horizon: whoever checks begins behind it.
      this.#from = Math.max(this.#from, row.lastOccurrence);
      return;
    }
    while (row.occurrence > this.#until && this.#nextTerm());
    const known = this.#current !== null && row.occurrence <= this.#until;
    if (known) this.#current?.row(row);
    else note(this.#verdict, { kind: "unplanned", at: row.occurrence, count: row.count });
  }

  /** Says how it was, when all rows have been taken. */
  end(): Verdict {
    while (this.#nextTerm());
    this.#close();
    return this.#verdict;
  }

  #nextTerm(): boolean {
    if (this.#index >= this.#terms.length - 1) return false;
    this.#close();
    const term = this.#terms[++this.#index];
    const since = Math.max(term?.since ?? this.#from, this.#from);
    this.#until = Math.max(since, this.#terms[this.#index + 1]?.since ?? this.#accountedUntil);
    const definition = term?.definition;
    this.#current = definition ? new TermCheck(definition, since, this.#until) : null;
    return true;
  }

  #close(): void {
    if (!this.#current) return;
    const { planned, gap, dup, findings } = this.#current.end();
    const term = this.#terms[this.#index];
    this.#current = null;
    this.#verdict.planned += planned;
    if (term && dependsOnZone(term) && term.tzdata !== this.#tzdata) {
      this.#verdict.unjudged += gap + dup;
      return;
    }
    this.#verdict.gap += gap;
    this.#verdict.dup += dup;
    this.#verdict.findings = [...this.#verdict.findings, ...findings].slice(0, FINDINGS_MAX);
  }
}

/** Up to when somebody should have closed a row that waits. */
export function pendingUntil(occurrence: Millis, { jitterMs, latenessMaxMs }: Policy): Millis {
  return occurrence + jitterMs + latenessMaxMs;
}

/** Whether the rules of a time zone decide when something fires. */
function dependsOnZone({ definition }: Term): boolean {
  return definition?.spec.kind === "cron" && definition.timezone !== "UTC";
}

/** The rows of one term. */
class TermCheck {
  readonly #plan: Recurrence;
  readonly #light: Recurrence;
  readonly #blackouts: readonly Blackout[];
  readonly #since: Millis;
  readonly #until: Millis;
  readonly #verdict: Verdict = { planned: 0, gap: 0, dup: 0, unjudged: 0, findings: [] };
  /** How far rows have come outside of blackouts, and inside. */
  #lightAt: Millis;
  #darkAt: Millis;

  constructor(definition: Definition, since: Millis, until: Millis) {
    this.#plan = everything(definition);
    this.#light = planned(definition);
    this.#blackouts = mergedBlackouts(definition.policy.blackouts);
    this.#since = this.#lightAt = this.#darkAt = since;
    this.#until = until;
  }

  row(row: LedgerRow): void {
    const { occurrence, count, outcome } = row;
    if (outcome === "blackout") return this.#inBlackout(row);
    if (outcome === "paused" || outcome === "deleted") return this.#quiet(row);
    if (count === 1 && this.#light.next(this.#lightAt) === occurrence && row.lastOccurrence === occurrence)
      this.#lightAt = occurrence; // Nearly all rows.
    else this.#cover(row, this.#light);
  }

  end(): Verdict {
    this.#lackLight(this.#until);
    this.#lackDark(this.#until);
    this.#verdict.planned = this.#plan.count(this.#since, this.#until);
    return this.#verdict;
  }

  /** A row for what lies outside of blackouts, or for everything. */
  #cover(row: LedgerRow, plan: Recurrence): void {
    const { occurrence, lastOccurrence } = row;
    this.#lackLight(occurrence - 1);
    const before = occurrence - 1;
    const last = Math.min(lastOccurrence, this.#until);
    const expected = countIn(plan, before, last);
    const fresh = countIn(plan, Math.max(before, this.#lightAt), last);
    this.#compare(row, { expected, fresh });
    this.#lightAt = Math.max(this.#lightAt, last);
  }

  /** A pause, or a change of the plan: it is about everything, blackouts or not. */
  #quiet(row: LedgerRow): void {
    this.#lackDark(row.occurrence - 1);
    this.#cover(row, this.#plan);
    this.#darkAt = Math.max(this.#darkAt, Math.min(row.lastOccurrence, this.#until));
  }

  #inBlackout(row: LedgerRow): void {
    const { occurrence, lastOccurrence } = row;
    this.#lackDark(occurrence - 1);
    const before = occurrence - 1;
    const last = Math.min(lastOccurrence, this.#until);
    const expected = this.#countDark(before, last);
    const fresh = this.#countDark(Math.max(before, this.#darkAt), last);
    this.#compare(row, { expected, fresh });
    this.#darkAt = Math.max(this.#darkAt, last);
  }

  /** Outside of blackouts nothing was recorded since the last row. */
  #lackLight(until: Millis): void {
    const count = countIn(this.#light, this.#lightAt, until);
    if (count > 0) this.#note("missing", this.#light.next(this.#lightAt) ?? until, count);
    this.#lightAt = Math.max(this.#lightAt, until);
  }

  #lackDark(until: Millis): void {
    if (this.#blackouts.length === 0) return;
    const count = this.#countDark(this.#darkAt, until);
    if (count > 0) this.#note("missing", this.#firstDark(this.#darkAt) ?? until, count);
    this.#darkAt = Math.max(this.#darkAt, until);
  }

  #countDark(after: Millis, until: Millis): number {
    return countIn(this.#plan, after, until) - countIn(this.#light, after, until);
  }

  #firstDark(after: Millis): Millis | null {
    for (const { from, to } of this.#blackouts) {
      const first = this.#plan.next(Math.max(after, from - 1));
      if (first !== null && first < to) return first;
    }
    return null;
  }

  #compare({ occurrence, count }: LedgerRow, { expected, fresh }: { expected: number; fresh: number }): void {
    this.#note("twice", occurrence, expected - fresh);
    this.#note("unplanned", occurrence, count - expected);
    this.#note("missing", occurrence, expected - count);
  }

  #note(kind: Finding["kind"], at: Millis, count: number): void {
    if (count > 0) note(this.#verdict, { kind, at, count });
  }
}

function countIn(plan: Recurrence, after: Millis, until: Millis): number {
  return until > after ? plan.count(after, until) : 0;
}

function note(verdict: Verdict, finding: Finding): void {
  if (finding.kind === "missing") verdict.gap += finding.count;
  else verdict.dup += finding.count;
  if (verdict.findings.length < FINDINGS_MAX) verdict.findings.push(finding);
}
