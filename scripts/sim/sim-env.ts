/** SimEnv: the world as one host sees it. Its timers die with it, its clock is whatever somebody set. */
import type { Cancel, Env, Millis } from "../../internal/base/env.ts";
import type { Dice } from "./dice.ts";
import type { Owner, World } from "./world.ts";

const TIMER_LATE_MAX_MS = 2; // A timer is never early, and often a little late.

export class SimEnv implements Env {
  readonly #world: World;
  readonly #owner: Owner;
  readonly #dice: Dice;
  readonly #bornAt: Millis;

  constructor(world: World, owner: Owner, dice: Dice) {
    this.#world = world;
    this.#owner = owner;
    this.#dice = dice;
    this.#bornAt = world.time;
  }

  now(): Millis {
    return this.#world.wall();
  }

  mono(): Millis {
    return this.#world.time - this.#bornAt;
  }

  after(delayMs: Millis, work: () => void): Cancel {
    const lateMs = this.#dice.between(0, TIMER_LATE_MAX_MS);
    return this.#world.later(Math.ceil(delayMs) + lateMs, "timer", work, this.#owner);
  }

  soon(work: () => void): void {
    this.#world.later(0, "soon", work, this.#owner);
  }

  random(): number {
    return this.#dice.roll();
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#dice.between(0, 255));
  }
}
