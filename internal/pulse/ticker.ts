/**
 * Ticker: accounts for schedules when they are due. It sleeps until the next due
 * instant, but never longer than a nap, because a clock can be set and a laptop
 * can sleep, and so that a clock that was set far off is noticed. What is due becomes ledger rows and jobs in one transaction each.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { ScheduleStore } from "../store/store.ts";
import type { ClockWatch } from "./clock-watch.ts";
import { Trouble } from "./trouble.ts";

export interface TickerOptions {
  env: Env;
  log: Log;
  schedules: ScheduleStore;
  clock: ClockWatch;
  nodeId: string;
  /** The longest sleep. */
  napMs: Millis;
  /** Told which lanes have new jobs. */
  onJobs: (lanes: Set<string>) => void;
}

const SCHEDULES_PER_STEP = 500; // One transaction: some ten milliseconds, then others have their turn.
const TROUBLE_PAUSE_MS = 1_000;

export class Ticker implements Service {
  readonly name = "ticker";
  readonly #options: TickerOptions;
  readonly #trouble: Trouble;
  #wake = new AbortController();

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
      const nextDueAt = await this.#step();
      const waitMs = nextDueAt === null ? napMs : Math.min(napMs, nextDueAt - env.now());
      if (waitMs > 0) await sleep(env, waitMs, AbortSignal.any([stop, this.#wake.signal]));
    }
  }

  /** Accounts for one batch. Returns when there is something to do again. */
  async #step(): Promise<Millis | null> {
    const { env, log, schedules, clock, nodeId, onJobs } = this.#options;
    if (clock.isSuspect()) return null;
    try {
      const fired = await schedules.fire({ nodeId, limit: SCHEDULES_PER_STEP });
      this.#trouble.over("due schedules are recorded again");
      if (fired.jobs.length > 0) onJobs(new Set(fired.jobs.map(({ lane }) => lane)));
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
