/** Turns: whoever works for long gives others their turn, by the clock and not by the number of things: some are large. */
import { type Env, type Millis, turn } from "./env.ts";

const HOLD_MS_MAX: Millis = 4; // Nobody notices; and a turn costs a thousandth of it.

export class Turns {
  readonly #env: Env;
  #since: Millis;

  constructor(env: Env) {
    this.#env = env;
    this.#since = env.mono();
  }

  /** Gives the others a turn, if they had none for some milliseconds. */
  async give(): Promise<void> {
    if (this.#env.mono() - this.#since < HOLD_MS_MAX) return;
    await turn(this.#env);
    this.#since = this.#env.mono();
  }
}
