/**
 * Meter: how much may be taken from a plugin now. A purse that fills with time
 * and may go into debt; who owes waits, or has what he says dropped.
 */
import type { Env, Millis } from "../base/env.ts";

export class Meter {
  readonly #env: Env;
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at: Millis;

  /** `burst` is what may be spent at once after a quiet time. */
  constructor(env: Env, { perSecond, burst }: { perSecond: number; burst: number }) {
    this.#env = env;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#at = env.mono();
  }

  spend(cost: number): void {
    this.#earn(); // First, so that nobody spends what could not have been saved.
    this.#left -= cost;
  }

  /** True when so much is saved. */
  has(amount: number): boolean {
    this.#earn();
    return this.#left >= amount;
  }

  /** How long to wait until nothing is owed. */
  debtMs(): Millis {
    this.#earn();
    return this.#left >= 0 ? 0 : (-this.#left / this.#perSecond) * 1_000;
  }

  #earn(): void {
    const now = this.#env.mono();
    const earned = ((now - this.#at) / 1_000) * this.#perSecond;
    this.#left = Math.min(this.#burst, this.#left + earned);
    this.#at = now;
  }
}
