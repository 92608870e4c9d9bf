/**
 * Slots: which values of one clock field (second, minute, hour) are chosen. Made
 * once, then asked millions of times, so every question is one or two look-ups.
 */

/** What `atLeast` says when no chosen value is left. Larger than any value. */
export const NO_SLOT = 99;

/** A set of small whole numbers that knows their order. */
export class Slots {
  /** The chosen values in order, then NO_SLOT. */
  readonly #values: Uint8Array;
  /** For each i, how many chosen values are below i. */
  readonly #ranks: Uint8Array;
  readonly count: number;
  readonly first: number;
  readonly last: number;

  constructor(chosen: ReadonlySet<number>, size: number) {
    const values = [...chosen].sort((a, b) => a - b);
    this.count = values.length;
    this.first = values[0] ?? NO_SLOT;
    this.last = values.at(-1) ?? -1;
    this.#values = Uint8Array.of(...values, NO_SLOT);
    this.#ranks = new Uint8Array(size + 1);
    for (let i = 1; i <= size; i++) this.#ranks[i] = this.below(i - 1) + (chosen.has(i - 1) ? 1 : 0);
  }

  has(value: number): boolean {
    return this.below(value + 1) > this.below(value);
  }

  /** How many chosen values are below this one, which may be one more than the largest. */
  below(value: number): number {
    return this.#ranks[value] ?? 0;
  }

  /** The smallest chosen value that is not below this one, or NO_SLOT. */
  atLeast(value: number): number {
    return this.#values[this.below(value)] ?? NO_SLOT;
  }

  /** The largest chosen value that is not above this one, or -1. */
  atMost(value: number): number {
    const count = this.below(value + 1);
    return count === 0 ? -1 : (this.#values[count - 1] ?? -1);
  }
}
