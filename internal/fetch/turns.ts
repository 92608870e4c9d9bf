/** Turns: when a plugin may ask a host of the web, so that none is asked too often, and nobody waits for one plugin alone. */
import { type Env, type Millis, sleep } from "../base/env.ts";
import { Fault } from "../base/fault.ts";
import type { FetchLimits } from "./limits.ts";

interface HostState {
  running: number;
  /** When the next one may begin. */
  nextAt: Millis;
  freed: PromiseWithResolvers<void>;
}

const HOSTS_MAX = 1_000; // Remembered; those that rest are forgotten then.
const RETRY_AFTER_MS: Millis = 1_000;

export class Turns {
  readonly #env: Env;
  readonly #limits: FetchLimits;
  readonly #hosts = new Map<string, HostState>();
  readonly #callers = new Map<string, number>();

  constructor(env: Env, limits: FetchLimits) {
    this.#env = env;
    this.#limits = limits;
  }

  /** Counts one fetch of a caller, until what it returns is called. Throws a Fault when it has too many. */
  enter(caller: string): () => void {
    const { callerAtOnce } = this.#limits;
    const count = this.#callers.get(caller) ?? 0;
    if (count >= callerAtOnce)
      throw new Fault(
        "exhausted",
        `${callerAtOnce} fetches of plugin ${caller} are under way, and no more are at once.`,
        {
          retryAfterMs: RETRY_AFTER_MS,
        },
      );
    this.#callers.set(caller, count + 1);
    return () => {
      const left = (this.#callers.get(caller) ?? 1) - 1;
      if (left > 0) this.#callers.set(caller, left);
      else this.#callers.delete(caller);
    };
  }

  /** Waits until the host may be asked, and keeps that place until what it returns is called. Returns early when the signal says so. */
  async take(host: string, signal: AbortSignal): Promise<() => void> {
    const state = this.#stateOf(host);
    while (state.running >= this.#limits.hostAtOnce && !signal.aborted)
      await Promise.race([state.freed.promise, sleep(this.#env, this.#limits.totalMs, signal)]);
    state.running++;
    const now = this.#env.mono();
    const startAt = Math.max(now, state.nextAt);
    state.nextAt = startAt + this.#limits.hostGapMs;
    if (startAt > now) await sleep(this.#env, startAt - now, signal);
    return () => {
      state.running--;
      state.freed.resolve();
      state.freed = Promise.withResolvers();
    };
  }

  #stateOf(host: string): HostState {
    const known = this.#hosts.get(host);
    if (known) return known;
    if (this.#hosts.size >= HOSTS_MAX) this.#forgetResting();
    const state = { running: 0, nextAt: 0, freed: Promise.withResolvers<void>() };
    this.#hosts.set(host, state);
    return state;
  }

  #forgetResting(): void {
    const now = this.#env.mono();
    for (const [host, { running, nextAt }] of this.#hosts)
      if (running === 0 && nextAt <= now) this.#hosts.delete(host);
  }
}
