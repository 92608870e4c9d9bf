/**
 * Ticker: accounts for schedules when they are due. It sleeps until the next due
 * instant, but never longer than a nap, because a clock can be set and a laptop
 * can sleep. What is due becomes ledger rows and jobs in one transaction each.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import { messageOf } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import type { NewEvent } from "../event/event.ts";
import type { EventStore } from "../store/events.ts";
import type { ScheduleStore } from "../store/schedules.ts";
import { type ClockGuard, inSeconds } from "./clock-guard.ts";
import { Trouble } from "./trouble.ts";

export interface TickerOptions {
  env: Env;
  log: Log;
  schedules: ScheduleStore;
  events: EventStore;
  nodeId: string;
  clock: ClockGuard;
  /** The longest sleep. */
  napMs: Millis;
  /** Told that some of the new jobs may start later. */
  onDelayed: () => void;
  /** Told which running jobs must end, because a later occurrence takes their place. */
  onStopped: (jobIds: readonly string[]) => void;
  /** Told that occurrences wait for their locks. */
  onAsked: () => void;
}

/** How many are accounted for in one transaction, step by step while more are due: the first begin at once. */
const SCHEDULES_PER_STEP = [32, 64, 128, 128, 128, 128, 128, 128, 128]; // Some milliseconds: then their jobs have begun, and others have their turn.
const SCHEDULES_PER_LONG_STEP = 512; // More than a thousand are due: to write them down comes first.
const TROUBLE_PAUSE_MS = 1_000;

export class Ticker implements Service {
  readonly name = "ticker";
  readonly #options: TickerOptions;
  readonly #trouble: Trouble;
  #wake = new AbortController();
  /** Steps in a row that left something due. */
  #fullSteps = 0;
  /** Why the clock was not believed when we looked last. */
  #doubt: string | null = null;

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
  }

  /** Says that a schedule was made or changed: something may be due earlier. */
  nudge(): void {
    this.#wake.abort();
  }

  /** Ticks until `stop`. */
  async run({ stop }: StopSignals): Promise<void> {
    const { env, napMs } = this.#options;
    while (!stop.aborted) {
      this.#wake = new AbortController();
      const nextDueAt = (await this.#believesClock()) ? await this.#step() : null;
      const waitMs = nextDueAt === null ? napMs : Math.min(napMs, nextDueAt - env.now());
      if (waitMs > 0) await sleep(env, waitMs, AbortSignal.any([stop, this.#wake.signal]));
    }
  }

  /** While the clock is not believed nothing is accounted for: no cursor moves. */
  async #believesClock(): Promise<boolean> {
    const { clock } = this.#options;
    const believed = clock.look();
    const step = clock.takeStep();
    const before = this.#doubt;
    this.#doubt = clock.suspicion?.reason ?? null;
    if (this.#doubt !== before) await this.#tellDoubt(this.#doubt);
    else if (believed && step !== 0) await this.#tellStep(step);
    return believed;
  }

  async #tellStep(step: Millis): Promise<void> {
    const { log, clock, env } = this.#options;
    const to = formatInstant(env.now());
    const went = step < 0 ? "went back" : "went forward, or the machine slept,";
    const then =
      clock.behind === null
        ? "what was missed is made up for as each schedule says"
        : `nothing runs twice, and schedules go on after ${formatInstant(clock.behind)}`;
    const what = `the clock ${went} by ${inSeconds(step)}: ${then}`;
    log.warn(what, { to });
    const message = `${what.charAt(0).toUpperCase()}${what.slice(1)}.`;
    await this.#say({ kind: "clock.set", message, data: { byMs: step, to } });
  }

  async #tellDoubt(reason: string | null): Promise<void> {
    const { log } = this.#options;
    if (reason === null) {
      log.warn("the clock is believed again: schedules go on");
      return this.#say({
        kind: "clock.believed",
        message: "The clock is believed again: schedules go on.",
        data: {},
      });
    }
    const confirm = "qntx doctor --confirm-clock";
    log.error("the clock is not believed: schedules wait until it is steady, or until somebody confirms it", {
      reason,
      confirm,
    });
    const message = `The clock is not believed, so schedules wait: ${reason}. If it is right: ${confirm}`;
    await this.#say({ kind: "clock.suspect", message, data: { reason } });
  }

  /** An event that cannot be written must not hold up the schedules. */
  async #say(event: Omit<NewEvent, "subject">): Promise<void> {
    try {
      await this.#options.events.add({ ...event, subject: "" });
    } catch (error) {
      this.#options.log.error("an event could not be written", {
        event: event.kind,
        error: messageOf(error),
      });
    }
  }

  /** Accounts for one batch. Returns when there is something to do again. */
  async #step(): Promise<Millis | null> {
    const { env, log, schedules, nodeId, onDelayed, onStopped, onAsked } = this.#options;
    try {
      const limit = SCHEDULES_PER_STEP[this.#fullSteps] ?? SCHEDULES_PER_LONG_STEP;
      const fired = await schedules.fire({ nodeId, limit });
      const isFull = fired.nextDueAt !== null && fired.nextDueAt <= env.now();
      this.#fullSteps = isFull ? this.#fullSteps + 1 : 0;
      this.#trouble.over("due schedules are recorded again");
      if (fired.delayed) onDelayed();
      if (fired.stopped.length > 0) onStopped(fired.stopped);
      if (fired.asked > 0) onAsked();
      for (const { scheduleId, message } of fired.broken) {
        log.error("a schedule could not be evaluated; trying again in a minute", {
          schedule: scheduleId,
          error: message,
        });
      }
      return fired.nextDueAt;
    } catch (error) {
      this.#trouble.failed("due schedules could not be recorded; trying again", error);
      return env.now() + TROUBLE_PAUSE_MS;
    }
  }
}
