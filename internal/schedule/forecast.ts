/**
 * Forecast: what becomes of the occurrences of one schedule over a span, if its runs
 * take as long as somebody says. `decide` says it, as it does for the ledger; this
 * only plays the clock, the runs that end, and the people who pause and change.
 *
 * For a span of the past, what was recorded and nobody decides is handed in: when
 * nobody was there, what people did, how long each run took. Then the outcomes are
 * those of the ledger.
 */
import type { Millis } from "../base/env.ts";
import { decide, type Decision, look } from "./decide.ts";
import { effectiveAt } from "./jitter.ts";
import { TERMINATE_GRACE_MS, type Waiting } from "./overlap.ts";
import { type Definition, planned } from "./planned.ts";
import { type Recurrence, recurrence } from "./recurrence.ts";
import { type DecidedRow, single } from "./rows.ts";
import type { OccurrenceOutcome } from "./schedule.ts";
import type { Span } from "./span.ts";

/** What becomes of one occurrence, or of a quiet range. */
export interface ForecastRow {
  occurrence: Millis;
  lastOccurrence: Millis;
  count: number;
  outcome: OccurrenceOutcome;
  /** When its run starts, and when it ends; null when it has none. */
  startsAt: Millis | null;
  endsAt: Millis | null;
}

/** What was recorded of a past span, and is not decided but happened. */
export interface Past {
  /** Nobody has looked after this. */
  until: Millis;
  /** Spans in which nobody was there to look. In order. */
  absences: readonly Span[];
  /** Rows that people made, by a pause or a change. In order. */
  quiet: readonly Pick<ForecastRow, "occurrence" | "lastOccurrence" | "count" | "outcome">[];
  /** Occurrences that waited until people put an end to it. */
  closed: readonly { occurrence: Millis; outcome: OccurrenceOutcome; at: Millis }[];
}

export interface ForecastRequest extends Span {
  scheduleId: string;
  /** The definitions in force, each from after `since`. In order; null: nothing is planned. */
  terms: readonly { since: Millis; definition: Definition | null }[];
  /** When a run ends. */
  endsAt: (occurrence: Millis, startsAt: Millis) => Millis;
  /** Runs before the span. */
  runCount: number;
  /** Runs that are open when the span begins. */
  open: readonly { startsAt: Millis; endsAt: Millis }[];
  /** Occurrences that wait when the span begins. */
  waiting: readonly Waiting[];
  /** Null: nothing but what is decided happens. */
  past: Past | null;
}

const NO_PAST: Omit<Past, "until"> = { absences: [], quiet: [], closed: [] };

/** Says what becomes of every occurrence of a span, in the order in which it is known. */
export function forecast(request: ForecastRequest, tell: (row: ForecastRow) => void): void {
  new Forecast(request, tell).run();
}

interface Run {
  startsAt: Millis;
  endsAt: Millis;
  /** Told when it has ended, because a later occurrence may cut it short; null when that was done already. */
  untold: { occurrence: Millis; outcome: OccurrenceOutcome } | null;
}

class Forecast {
  readonly #request: ForecastRequest;
  readonly #tell: (row: ForecastRow) => void;
  readonly #absences: Past["absences"];
  readonly #quiet: Past["quiet"][number][];
  readonly #closed: Past["closed"][number][];
  #absence = 0;
  #now: Millis;
  /** Everything up to here is accounted for. */
  #accountedUntil: Millis;
  #dueAt: Millis | null = null;
  #waiting: Waiting[];
  #open: Run[];
  /** True when an occurrence may end the run before it. */
  #cuts = false;
  #runCount: number;

  constructor(request: ForecastRequest, tell: (row: ForecastRow) => void) {
    const { from, past, waiting, open, runCount } = request;
    const { absences, quiet, closed } = past ?? NO_PAST;
    this.#request = request;
    this.#tell = tell;
    this.#absences = absences;
    this.#quiet = quiet.filter(({ lastOccurrence }) => lastOccurrence >= from);
    this.#closed = closed.toSorted((a, b) => a.at - b.at);
    this.#now = this.#accountedUntil = from - 1;
    this.#waiting = [...waiting];
    this.#open = open.map((run) => ({ ...run, untold: null }));
    this.#runCount = runCount;
  }

  run(): void {
    const { terms } = this.#request;
    terms.forEach(({ since, definition }, index) => {
      const next = terms[index + 1];
      const until = next?.since ?? Number.POSITIVE_INFINITY;
      if (until <= this.#accountedUntil) return;
      this.#accountedUntil = Math.max(this.#accountedUntil, since);
      this.#now = Math.max(this.#now, since);
      if (definition) this.#follow(new Rules(definition), { until, ends: next?.definition === null });
    });
    this.#endWaiting(this.#request.past?.until ?? this.#now);
    this.#end(Number.POSITIVE_INFINITY);
    for (const { occurrence } of this.#waiting) this.#say(occurrence, "pending");
  }

  /** True when nothing of the span is left to be decided. */
  get #over(): boolean {
    const { to } = this.#request;
    return this.#accountedUntil >= to - 1 && this.#waiting.every(({ occurrence }) => occurrence >= to);
  }

  /** Follows one definition until another takes its place. */
  #follow(rules: Rules, { until, ends }: { until: Millis; ends: boolean }): void {
    const { past } = this.#request;
    const latest = past?.until ?? Number.MAX_SAFE_INTEGER;
    this.#cuts = past === null && rules.cuts;
    this.#lookOut(rules);
    while (!this.#over) {
      this.#glide(rules, until);
      const at = this.#nextLook();
      const quiet = this.#quiet[0];
      const pauses = quiet !== undefined && quiet.occurrence <= Math.min(at, until);
      if (pauses) this.#pass(rules, quiet);
      else if (at > latest || (at > until && !this.#isLeft(rules, { until, ends }))) break;
      else this.#look(rules, at, false);
      if (this.#dueAt === null && this.#waiting.length === 0 && this.#quiet.length === 0) break;
    }
    if (Number.isFinite(until) && !this.#over) this.#look(rules, until, true);
  }

  /** True while a definition that is no longer in force has occurrences to decide: they wait for their time, or for a run to end. */
  #isLeft(rules: Rules, { until, ends }: { until: Millis; ends: boolean }): boolean {
    return rules.next(this.#accountedUntil) <= until || (ends && this.#waiting.length > 0);
  }

  /** When somebody looks next: at what is due, or because a run has ended, but not while nobody is there. */
  #nextLook(): Millis {
    const ends = this.#waiting.length === 0 ? [] : this.#open.map(({ endsAt }) => endsAt);
    const dueAt = this.#dueAt ?? Number.POSITIVE_INFINITY;
    while ((this.#absences[this.#absence]?.to ?? Number.POSITIVE_INFINITY) <= this.#now) this.#absence += 1;
    const absence = this.#absences[this.#absence];
    // Somebody came at its end, whether anything was due or not.
    const at = Math.max(this.#now, Math.min(dueAt, ...ends, absence?.to ?? Number.POSITIVE_INFINITY));
    return absence && absence.from <= at ? absence.to : at;
  }

  #look(rules: Rules, at: Millis, closing: boolean): void {
    this.#now = at;
    this.#endWaiting(at - 1);
    const decision = decide({
      scheduleId: this.#request.scheduleId,
      recurrence: rules.recurrence,
      policy: rules.definition.policy,
      accountedUntil: this.#accountedUntil,
      now: at,
      open: this.#isOpen(at),
      waiting: this.#waiting,
      runCount: this.#runCount,
      closing,
    });
    this.#apply(decision);
    this.#endWaiting(at); // Whoever puts an end to it has looked before.
  }

  #apply(decision: Decision): void {
    const startsAt = this.#stop(decision);
    const closed = new Set(decision.closings.map(({ occurrence }) => occurrence));
    this.#waiting = this.#waiting.filter(({ occurrence }) => !closed.has(occurrence));
    for (const row of [...decision.closings.map(rowOf), ...decision.rows]) this.#record(row, startsAt);
    this.#accountedUntil = decision.accountedUntil;
    this.#dueAt = decision.dueAt;
  }

  #record(row: DecidedRow, startsAt: Millis): void {
    const { occurrence, lastOccurrence, count, outcome, fires, catchup } = row;
    if (outcome === "pending") return void this.#waiting.push({ occurrence, catchup, asks: false });
    if (fires) return this.#start(occurrence, outcome, startsAt);
    this.#tell({ occurrence, lastOccurrence, count, outcome, startsAt: null, endsAt: null });
  }

  #start(occurrence: Millis, outcome: OccurrenceOutcome, startsAt: Millis): void {
    const endsAt = Math.max(startsAt, this.#request.endsAt(occurrence, startsAt));
    this.#open.push({ startsAt, endsAt, untold: this.#cuts ? { occurrence, outcome } : null });
    this.#runCount += 1;
    if (!this.#cuts) this.#say(occurrence, outcome, { startsAt, endsAt });
  }

  /** What was recorded of a run says how it ended; what nobody recorded ends when it is asked to. Gives the start of what takes its place. */
  #stop({ stop }: Decision): Millis {
    const other = stop === null ? undefined : this.#open.find(({ endsAt }) => endsAt > this.#now);
    if (!other) return this.#now;
    const wasRunning = other.startsAt < this.#now;
    if (this.#request.past === null) other.endsAt = this.#now;
    return stop === "terminate" && wasRunning ? this.#now + TERMINATE_GRACE_MS : this.#now;
  }

  /** Passes over what people made quiet, after what was due before it. */
  #pass(rules: Rules, quiet: Past["quiet"][number]): void {
    const before = Math.max(this.#now, quiet.occurrence - 1);
    const isDue = rules.next(this.#accountedUntil) < quiet.occurrence;
    if (isDue || rules.definition.policy.blackouts.length > 0) this.#look(rules, before, true);
    this.#quiet.shift();
    this.#tell({ ...quiet, startsAt: null, endsAt: null });
    this.#accountedUntil = Math.max(this.#accountedUntil, quiet.lastOccurrence);
    this.#now = Math.max(this.#now, this.#accountedUntil);
    this.#endWaiting(this.#now);
    this.#lookOut(rules);
  }

  /** Ends the waiting that people put an end to. */
  #endWaiting(now: Millis): void {
    for (let closed = this.#closed[0]; closed && closed.at <= now; closed = this.#closed[0]) {
      this.#closed.shift();
      const { occurrence, outcome } = closed;
      const index = this.#waiting.findIndex((entry) => entry.occurrence === occurrence);
      if (index < 0) continue;
      this.#waiting.splice(index, 1);
      this.#say(occurrence, outcome);
    }
  }

  #lookOut({ recurrence: every, definition: { policy } }: Rules): void {
    const runsLeft = (policy.runsMax ?? Number.POSITIVE_INFINITY) - this.#runCount;
    const { scheduleId } = this.#request;
    this.#dueAt = look(
      { scheduleId, recurrence: every, policy },
      {
        turns: { waiting: this.#waiting, runsLeft },
        accountedUntil: this.#accountedUntil,
        now: this.#now,
      },
    ).dueAt;
  }

  /**
   * Fires what is on time and meets no run, without asking `decide`, which would say the
   * same: millions of occurrences are looked at in a second so.
   */
  #glide(rules: Rules, until: Millis): void {
    const { past, to, scheduleId } = this.#request;
    if (!rules.glides || past !== null || this.#waiting.length > 0) return;
    const { plan, definition } = rules;
    const beside = definition.policy.overlap === "allow";
    let busyUntil = this.#open.reduce((latest, { endsAt }) => Math.max(latest, endsAt), this.#now);
    for (let at = plan.next(this.#accountedUntil); at !== null && at < to; at = plan.next(at)) {
      const startsAt = effectiveAt(scheduleId, at, definition.policy, plan);
      if (startsAt > until || (!beside && startsAt < busyUntil)) break;
      if (busyUntil <= startsAt) this.#end(startsAt);
      this.#start(at, "fired", startsAt);
      busyUntil = Math.max(busyUntil, this.#open.at(-1)?.endsAt ?? startsAt);
      this.#accountedUntil = at;
      this.#now = startsAt;
    }
    this.#lookOut(rules);
  }

  #isOpen(now: Millis): boolean {
    this.#end(now);
    return this.#open.length > 0;
  }

  /** Forgets runs that have ended by now, and tells how, where that was not known before. */
  #end(now: Millis): void {
    for (const { untold, startsAt, endsAt } of this.#open) {
      if (endsAt > now || untold === null) continue;
      // One that was ended before its grace was over never began.
      this.#say(untold.occurrence, untold.outcome, endsAt >= startsAt ? { startsAt, endsAt } : undefined);
    }
    this.#open = this.#open.filter(({ endsAt }) => endsAt > now);
  }

  #say(occurrence: Millis, outcome: OccurrenceOutcome, run?: Pick<Run, "startsAt" | "endsAt">): void {
    const { startsAt = null, endsAt = null } = run ?? {};
    this.#tell({ occurrence, lastOccurrence: occurrence, count: 1, outcome, startsAt, endsAt });
  }
}

/** A definition, ready to be asked. */
class Rules {
  readonly definition: Definition;
  readonly recurrence: Recurrence;
  /** Without what lies in blackouts. */
  readonly plan: Recurrence;
  /** True when an occurrence that is on time and meets no run simply fires. */
  readonly glides: boolean;
  readonly cuts: boolean;

  constructor(definition: Definition) {
    const { policy } = definition;
    this.definition = definition;
    this.recurrence = recurrence({ ...definition, dstGap: policy.dstGap, dstFold: policy.dstFold });
    this.plan = planned(definition);
    this.cuts = policy.overlap === "cancel-other" || policy.overlap === "terminate-other";
    this.glides = policy.runsMax === null && policy.blackouts.length === 0;
  }

  /** The next occurrence outside of blackouts; never is after everything. */
  next(after: Millis): Millis {
    return this.plan.next(after) ?? Number.POSITIVE_INFINITY;
  }
}

function rowOf({ occurrence, outcome, fires, catchup }: Decision["closings"][number]): DecidedRow {
  return single(occurrence, outcome, { fires, catchup });
}
