/**
 * Opener: wakes the worker at the moment at which a budget that holds jobs back has
 * something left again, and when a job that ends leaves more than was reserved for it.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { BudgetStore } from "../store/budgets.ts";
import { Trouble } from "./trouble.ts";

export interface OpenerOptions {
  env: Env;
  log: Log;
  budgets: Pick<BudgetStore, "opening" | "onHeld">;
  /** Jobs may be claimed that could not. */
  onOpen: () => void;
}

const LOOK_MS: Millis = 60_000; // Whatever the wall clock did meanwhile.
const PAUSE_MS: Millis = 2; // For the claims that this makes; then it is asked again.

export class Opener implements Service {
  readonly name = "opener";
  readonly #options: OpenerOptions;
  readonly #trouble: Trouble;
  #wake = new AbortController();

  constructor(options: OpenerOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
    options.budgets.onHeld(() => this.#wake.abort());
  }

  async run({ stop }: StopSignals): Promise<void> {
    const { env } = this.#options;
    while (!stop.aborted) {
      this.#wake = new AbortController(); // Before looking, so that no wake-up is lost.
      const waitMs = await this.#look();
      if (waitMs === 0) await sleep(env, PAUSE_MS, stop);
      else await sleep(env, waitMs, AbortSignal.any([stop, this.#wake.signal]));
    }
  }

  /** Returns for how long nothing can open; 0 when something has. */
  async #look(): Promise<Millis> {
    const { env, budgets, onOpen } = this.#options;
    try {
      const opensAt = await budgets.opening();
      this.#trouble.over("budgets are read again");
      if (opensAt === null) return LOOK_MS;
      if (opensAt > env.now()) return Math.min(LOOK_MS, opensAt - env.now());
      onOpen();
      return 0;
    } catch (error) {
      this.#trouble.failed("budgets could not be read; trying again", error);
      return LOOK_MS;
    }
  }
}
