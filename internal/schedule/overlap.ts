/**
 * Overlap: what an occurrence does when the run before it has not ended. A run
 * lasts until its job is finished, retries and waiting included.
 *
 * | mode            | the occurrence                      | the run that is open          |
 * | --------------- | ----------------------------------- | ----------------------------- |
 * | skip            | does not run                        | goes on                       |
 * | allow           | runs beside it                      | goes on                       |
 * | buffer-one      | waits, one at a time                | goes on                       |
 * | buffer-all      | waits in line, up to a limit        | goes on                       |
 * | cancel-other    | waits until the other has ended     | is asked to end               |
 * | terminate-other | starts after the other's grace      | is fenced off and ended       |
 *
 * Where occurrences are locked, each waits for its lock first (asking.ts), and meets
 * the open run when it has it: whoever holds the lock decides for all.
 */
import type { Millis } from "../base/env.ts";
import { overdue } from "./asking.ts";
import { type DecidedRow, single } from "./rows.ts";
import { LATE_AFTER_MS, MISSED_AFTER_MS, type OccurrenceOutcome, type Policy } from "./schedule.ts";

/** An occurrence that waits: for the run before it to end, or for its lock. */
export interface Waiting {
  occurrence: Millis;
  catchup: boolean;
  /** True while it waits for its lock. */
  asks: boolean;
}

/** A waiting occurrence that comes to its end: it runs, or it never will. */
export interface Closing extends Waiting {
  outcome: OccurrenceOutcome;
  fires: boolean;
  /** What is to be said beside the outcome. */
  note?: string;
}

/** What becomes of the run that is open. */
export type Stop = "cancel" | "terminate" | null;

export interface TurnsOptions {
  policy: Policy;
  /** True while a job of an earlier occurrence is not finished. */
  open: boolean;
  waiting: readonly Waiting[];
  runCount: number;
  /** True when an occurrence must be locked before it meets the open run. */
  asks?: boolean;
  /** Those of the waiting whose lock was just given. */
  granted?: ReadonlySet<Millis>;
  /** How late an occurrence is by now. */
  lateMs: (occurrence: Millis) => Millis;
}

export const TERMINATE_GRACE_MS: Millis = 5_000; // For what was fenced off to let go of what it holds; as long as any cancellation has.
export const BUFFER_MAX = 1_000; // Waiting occurrences of one schedule: more is a handler that cannot keep up.

/** Lets occurrences meet the open run, one after the other. */
export class Turns {
  readonly closings: Closing[] = [];
  /** Those that have their lock and wait for the run before them from now on. */
  readonly lined: Waiting[] = [];
  stop: Stop = null;
  readonly #options: TurnsOptions;
  #asking: Waiting[];
  readonly #line: { waiting: Waiting; row: DecidedRow | null }[];
  #open: boolean;
  /** True when a run was started by this very decision: it is not stopped before it began. */
  #started = false;
  #runsLeft: number;

  constructor(options: TurnsOptions) {
    const { policy, open, waiting, runCount } = options;
    this.#options = options;
    this.#open = open;
    this.#asking = waiting.filter((entry) => entry.asks);
    this.#line = waiting.filter((entry) => !entry.asks).map((entry) => ({ waiting: entry, row: null }));
    this.#runsLeft = (policy.runsMax ?? Number.POSITIVE_INFINITY) - runCount;
  }

  /** Occurrences that still wait. */
  get waiting(): readonly Waiting[] {
    return [...this.#line.map((entry) => entry.waiting), ...this.#asking];
  }

  get runsLeft(): number {
    return this.#runsLeft;
  }

  /** Before anything new: who waited too long never runs, and the first in line does when nothing is open. */
  release(): void {
    const { policy, lateMs, waiting: waited } = this.#options;
    if (waited.length === 0) return; // As with most schedules, at most times.
    for (const { waiting } of this.#line.filter(
      (entry) => lateMs(entry.waiting.occurrence) > policy.latenessMaxMs,
    )) {
      this.#close(waiting, "expired");
    }
    // The limit of runs may have been lowered since they stood in line.
    for (const { waiting } of this.#line.slice(Math.max(0, this.#runsLeft)))
      this.#close(waiting, "skipped-overlap");
    const first = this.#line[0];
    if (first && !this.#open) {
      this.#close(first.waiting, this.#firedOutcome(first.waiting), true);
      this.#start();
    }
    this.#answer();
  }

  /** `inSequence`: it waits for its turn whatever the mode says, as all missed runs of policy `all` do. */
  meet(occurrence: Millis, { catchup = false, inSequence = false } = {}): DecidedRow {
    const { policy, lateMs } = this.#options;
    const entry = { occurrence, catchup, asks: false };
    if (lateMs(occurrence) > policy.latenessMaxMs) return single(occurrence, "expired");
    if (this.#runsLeft - this.waiting.length <= 0) return single(occurrence, "skipped-overlap");
    if (this.#options.asks) return this.#ask(entry);
    return this.#admit(entry, inSequence);
  }

  /** It waits for its lock, whatever the open run does. */
  #ask({ occurrence, catchup }: Waiting): DecidedRow {
    this.#asking.push({ occurrence, catchup, asks: true });
    return single(occurrence, "pending", { catchup, asks: true });
  }

  /** Who has its lock meets the open run; who has waited too long for one does not ask any more. */
  #answer(): void {
    const { policy, lateMs } = this.#options;
    const asking = this.#asking;
    const granted = this.#granted;
    this.#asking = asking.filter(({ occurrence }) => !granted.has(occurrence));
    for (const { waiting, ...ending } of overdue(this.#asking, {
      policy,
      lateMs,
      runsLeft: this.#runsLeft - this.#line.length,
    })) {
      this.#asking = this.#asking.filter((entry) => entry !== waiting);
      this.closings.push({ ...waiting, ...ending, fires: false });
    }
    for (const { occurrence, catchup } of asking.filter((entry) => granted.has(entry.occurrence)))
      this.#enter({ occurrence, catchup: catchup || lateMs(occurrence) > MISSED_AFTER_MS, asks: false });
  }

  /** Where none is needed any more, nobody would answer those that still ask. */
  get #granted(): ReadonlySet<Millis> {
    const { asks, granted } = this.#options;
    return asks ? (granted ?? new Set()) : new Set(this.#asking.map(({ occurrence }) => occurrence));
  }

  #enter(entry: Waiting): void {
    const { policy, lateMs } = this.#options;
    const row =
      lateMs(entry.occurrence) > policy.latenessMaxMs
        ? single(entry.occurrence, "expired")
        : this.#runsLeft - this.#line.length <= 0
          ? single(entry.occurrence, "skipped-overlap")
          : this.#admit(entry, entry.catchup && policy.missed === "all");
    if (row.outcome === "pending") this.lined.push(entry);
    else this.closings.push({ ...entry, outcome: row.outcome, fires: row.fires });
  }

  #admit(entry: Waiting, inSequence: boolean): DecidedRow {
    const { policy } = this.#options;
    const { occurrence } = entry;
    const free = !this.#open && this.#line.length === 0;
    if (free || (policy.overlap === "allow" && !inSequence)) return this.#fire(entry);
    if (inSequence) return this.#queue(entry, BUFFER_MAX);
    switch (policy.overlap) {
      case "buffer-one":
        return this.#queue(entry, 1);
      case "buffer-all":
        return this.#queue(entry, BUFFER_MAX);
      case "cancel-other":
        return this.#started ? single(occurrence, "skipped-overlap") : this.#cancelOther(entry);
      case "terminate-other":
        return this.#started ? single(occurrence, "skipped-overlap") : this.#terminateOther(entry);
      default:
        return single(occurrence, "skipped-overlap");
    }
  }

  #fire(entry: Waiting): DecidedRow {
    this.#start();
    return single(entry.occurrence, this.#firedOutcome(entry), { fires: true, catchup: entry.catchup });
  }

  #queue(waiting: Waiting, max: number): DecidedRow {
    if (this.#line.length >= max) return single(waiting.occurrence, "skipped-overlap");
    const row = single(waiting.occurrence, "pending", { catchup: waiting.catchup });
    this.#line.push({ waiting, row });
    return row;
  }

  /** The newest takes the place of whoever waited. */
  #cancelOther(entry: Waiting): DecidedRow {
    this.stop = "cancel";
    for (const { waiting } of this.#line.slice()) this.#close(waiting, "skipped-overlap");
    return this.#queue(entry, 1);
  }

  #terminateOther(entry: Waiting): DecidedRow {
    this.stop = "terminate";
    for (const { waiting } of this.#line.slice()) this.#close(waiting, "skipped-overlap");
    return this.#fire(entry);
  }

  #start(): void {
    this.#open = true;
    this.#started = true;
    this.#runsLeft -= 1;
  }

  /** Takes an occurrence out of the line. One that this decision put there has its row changed instead. */
  #close(waiting: Waiting, outcome: OccurrenceOutcome, fires = false): void {
    const index = this.#line.findIndex((entry) => entry.waiting === waiting);
    const [entry] = this.#line.splice(index, 1);
    if (entry?.row) entry.row.outcome = outcome;
    else this.closings.push({ ...waiting, outcome, fires });
  }

  #firedOutcome({ occurrence, catchup }: Waiting): OccurrenceOutcome {
    if (catchup) return "caught-up";
    return this.#options.lateMs(occurrence) > LATE_AFTER_MS ? "fired-late" : "fired";
  }
}
