/**
 * ClockWatch: tells a wall clock that was set far off from time that has passed.
 *
 * What fires by a clock that is wrong by years is accounted for, and then nothing is
 * due for years. So a step of more than a day is not believed at once: schedules and
 * jobs for later wait until the clock has kept still for a while, or is back. A
 * machine that slept over a weekend looks the same, and waits as long.
 */
import { formatDuration } from "../base/duration.ts";
import type { Env, Millis } from "../base/env.ts";
import type { Log } from "../base/log.ts";

export const STEP_MAX_MS: Millis = 86_400_000; // Somebody set the clock, or a laptop slept: believed at once.
export const STILL_MS: Millis = 600_000; // Long enough for a time server or a person to put it right.
const JITTER_MS: Millis = 60_000; // Of a clock that keeps still.

export class ClockWatch {
  readonly #env: Env;
  readonly #log: Log;
  /** What the wall clock was ahead of the monotonic one, when it was looked at last. */
  #ahead: Millis;
  /** The same, before the step that is not believed; and since when it has kept still. */
  #doubt: { believed: Millis; since: Millis } | null = null;

  constructor(env: Env, log: Log) {
    this.#env = env;
    this.#log = log;
    this.#ahead = env.now() - env.mono();
  }

  /** True while the wall clock is not to be believed. To be asked at every nap. */
  isSuspect(): boolean {
    const mono = this.#env.mono();
    const ahead = this.#env.now() - mono;
    const step = ahead - this.#ahead;
    this.#ahead = ahead;
    if (this.#doubt === null && Math.abs(step) > STEP_MAX_MS) this.#begin(step, mono);
    else if (this.#doubt !== null && Math.abs(step) > JITTER_MS) this.#doubt.since = mono;
    if (this.#doubt !== null && Math.abs(ahead - this.#doubt.believed) <= STEP_MAX_MS) this.#end("is back");
    if (this.#doubt !== null && mono - this.#doubt.since >= STILL_MS) this.#end("has kept still");
    return this.#doubt !== null;
  }

  #begin(step: Millis, mono: Millis): void {
    this.#doubt = { believed: this.#ahead - step, since: mono };
    this.#log.error(
      "the clock was set by more than a day; schedules wait until it has kept still for a while",
      {
        by: `${step < 0 ? "-" : ""}${formatDuration(Math.abs(step))}`,
        waitMs: STILL_MS,
      },
    );
  }

  #end(how: string): void {
    this.#doubt = null;
    this.#log.warn(`the clock ${how}; schedules go on`);
  }
}
