/** Dice: chance from a seed. Each part of the world throws dice of its own, so that a throw more in one leaves the others as they were. */
import { seededRandom } from "../../internal/base/fake-env.ts";

export class Dice {
  /** A number in [0, 1). */
  readonly roll: () => number;

  constructor(seed: number, stream: string) {
    this.roll = seededRandom(Bun.hash.crc32(`${seed}:${stream}`));
  }

  chance(share: number): boolean {
    return share > 0 && this.roll() < share;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.roll() * (high - low + 1));
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[Math.floor(this.roll() * choices.length)] ?? choices[0];
  }

  /** One of some things that may be none. */
  any<T>(choices: readonly T[]): T | undefined {
    return choices[Math.floor(this.roll() * choices.length)];
  }

  /** A wait until the next of events that come every `meanMs` on average, each on its own. */
  wait(meanMs: number): number {
    return Math.max(1, Math.round(-Math.log(1 - this.roll()) * meanMs));
  }
}
