/** Promoter: moves jobs whose time has come (scheduled for later, waiting for a retry) into the queue. */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { JobStore } from "../store/jobs.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { Trouble } from "./trouble.ts";

export interface PromoterOptions {
  env: Env;
  log: Log;
  jobs: JobStore;
  clock: ClockGuard;
  napMs: Millis;
}

const JOBS_PER_STEP = 1_000; // One transaction of a few milliseconds.
const STEP_MIN_MS: Millis = 5; // Jobs that are due one after the other, a millisecond apart, share a commit.

export class Promoter implements Service {
  readonly name = "promoter";
  readonly #options: PromoterOptions;
  readonly #trouble: Trouble;
  #wake = new AbortController();

  constructor(options: PromoterOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
  }

  /** Says that a job may be due earlier than was known. */
  nudge(): void {
    this.#wake.abort();
  }

  async run({ stop }: StopSignals): Promise<void> {
    const { env, napMs } = this.#options;
    while (!stop.aborted) {
      this.#wake = new AbortController();
      const nextDueAt = await this.#step();
      const untilDueMs = Math.min(napMs, (nextDueAt ?? Number.POSITIVE_INFINITY) - env.now());
      const waitMs = untilDueMs > 0 ? Math.max(untilDueMs, STEP_MIN_MS) : 0;
      if (waitMs > 0) await sleep(env, waitMs, AbortSignal.any([stop, this.#wake.signal]));
    }
  }

  async #step(): Promise<Millis | null> {
    const { jobs, clock } = this.#options;
    if (!clock.look()) return null;
    try {
      const { nextDueAt } = await jobs.promote(JOBS_PER_STEP);
      this.#trouble.over("due jobs are queued again");
      return nextDueAt;
    } catch (error) {
      this.#trouble.failed("due jobs could not be queued; trying again", error);
      return null;
    }
  }
}
