/**
 * ClockGuard: decides whether the wall clock can be believed.
 *
 * A clock that is suddenly a day elsewhere, or older than what was recorded
 * already, may be a dead battery, a restored machine or a typing mistake. Firing
 * by it would silence schedules for years, or make up for years that never were.
 * So nothing is accounted for until the clock is back, has gone steadily for a while,
 * or a person says that it is right. Smaller steps, and a laptop's sleep, are ordinary:
 * the missed-run policies are for those.
 */
import type { Env, Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import { formatDuration } from "../base/duration.ts";

const STEP_MAX_MS: Millis = 86_400_000; // More than a day at once is no correction and no night's sleep.
const STEADY_MS: Millis = 600_000; // As long as a person, or NTP, may need to set it right.
const BACK_MAX_MS: Millis = 60_000; // Two machines, or two boots, are never exactly of one time.
const UNSTEADY_MS: Millis = 60_000; // More than a time server corrects of a clock that goes right.

export interface Suspicion {
  reason: string;
  /** How long the clock must still go steadily. */
  leftMs: Millis;
}

export class ClockGuard {
  readonly #env: Env;
  /** What the wall clock was ahead of the monotonic one, when we looked last. */
  #ahead: Millis;
  /** The newest time that was believed. */
  #reached: Millis;
  /** Steps that nobody has taken yet. */
  #stepped: Millis = 0;
  #reason: string | null = null;
  #steadySince: Millis;
  /** True when a time is one at which the doubt is over at once: the clock is back. */
  #isBack: (wall: Millis, ahead: Millis) => boolean = () => false;

  /** `lastSeenAt`: the newest time that was recorded by an earlier boot. */
  constructor(env: Env, lastSeenAt: Millis | null) {
    this.#env = env;
    this.#ahead = env.now() - env.mono();
    this.#steadySince = env.mono();
    this.#reached = Math.max(env.now(), lastSeenAt ?? Number.NEGATIVE_INFINITY);
    const recorded = (lastSeenAt ?? Number.NEGATIVE_INFINITY) - BACK_MAX_MS;
    if (env.now() >= recorded) return;
    this.#reason = `the clock says ${formatInstant(env.now())}, but ${formatInstant(lastSeenAt ?? 0)} was recorded already`;
    this.#isBack = (wall) => wall >= recorded;
  }

  /** Compares the two clocks. Called at every nap; true while the wall clock can be believed. */
  look(): boolean {
    const [wall, mono] = [this.#env.now(), this.#env.mono()];
    const ahead = wall - mono;
    const step = ahead - this.#ahead;
    this.#ahead = ahead;
    if (this.#reason === null && Math.abs(step) > STEP_MAX_MS) this.#doubt(step, wall, ahead - step);
    if (Math.abs(step) > UNSTEADY_MS) {
      this.#steadySince = mono;
      this.#stepped += step;
    }
    if (this.#isBack(wall, ahead) || mono - this.#steadySince >= STEADY_MS) this.confirm();
    if (this.#reason === null) this.#reached = Math.max(this.#reached, wall);
    return this.#reason === null;
  }

  /** How far the clock was set since this was asked last, when that is more than a time server corrects; otherwise 0. */
  takeStep(): Millis {
    const step = this.#stepped;
    this.#stepped = 0;
    return step;
  }

  /**
   * The time up to which everything was accounted for already, when the clock was set back
   * behind it: until then nothing is due. Null when it was not.
   */
  get behind(): Millis | null {
    return this.#reached - this.#env.now() > UNSTEADY_MS ? this.#reached : null;
  }

  #doubt(step: Millis, wall: Millis, believed: Millis): void {
    const way = step > 0 ? "forward" : "back";
    this.#reason = `the clock went ${way} by ${inSeconds(step)} at once, to ${formatInstant(wall)}`;
    this.#isBack = (_, ahead) => Math.abs(ahead - believed) <= STEP_MAX_MS;
  }

  /** Why the clock is not believed; null when it is. */
  get suspicion(): Suspicion | null {
    if (this.#reason === null) return null;
    return { reason: this.#reason, leftMs: Math.max(0, STEADY_MS - (this.#env.mono() - this.#steadySince)) };
  }

  /** How long it has been believed, and not been set. */
  get steadyMs(): Millis {
    return this.#reason === null ? this.#env.mono() - this.#steadySince : 0;
  }

  /** The clock is right: somebody says so, it is back, or it has gone steadily. */
  confirm(): void {
    if (this.#reason !== null) this.#steadySince = this.#env.mono();
    this.#reason = null;
    this.#isBack = () => false;
  }
}

/** How far a clock was set, as people say it. */
export function inSeconds(step: Millis): string {
  return formatDuration(Math.round(Math.abs(step) / 1_000) * 1_000);
}
