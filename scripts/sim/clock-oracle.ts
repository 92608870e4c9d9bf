/**
 * Clock oracle: after the clock was set by more than a day under a running host, nothing
 * is accounted for until it is back, has gone steadily for ten minutes, or somebody says
 * that it is right. It knows what was done to the clock, and nothing of the guard.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { SimHost } from "./host.ts";
import type { World } from "./world.ts";

const DAY: Millis = 86_400_000;
const STEADY_MS: Millis = 600_000;

export class ClockOracle {
  readonly #world: World;
  /** The host that cannot believe its clock, how far that is off, and since when it goes steadily. */
  #doubt: { host: SimHost; off: Millis; since: Millis } | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** Somebody sets the clock while this host runs; null: none does. */
  set(by: Millis, host: SimHost | null): void {
    const doubt = this.#doubtOf(host);
    // One that doubts its clock from its start knows what was recorded, and believes it once it is beyond that.
    if (!doubt && host && host.pulse.clock.suspicion !== null) return;
    const off = (doubt?.off ?? 0) + by;
    this.#doubt = host && Math.abs(off) > DAY ? { host, off, since: this.#world.time } : null;
  }

  /** Somebody says that it is right. */
  confirmed(): void {
    this.#doubt = null;
  }

  /** A cursor has moved. */
  moved(key: string, host: SimHost | null): void {
    if (this.#doubtOf(host))
      this.#world.violate("promise", `${key} moved by a clock that is not to be believed`);
  }

  #doubtOf(host: SimHost | null): { off: Millis } | null {
    const doubt = this.#doubt;
    const isOver = doubt?.host !== host || this.#world.time - (doubt?.since ?? 0) >= STEADY_MS;
    return isOver ? null : doubt;
  }
}
