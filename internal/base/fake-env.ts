/**
 * FakeEnv: a world that only moves when it is told to. For tests, and the base of
 * the simulation. Same seed, same world.
 */
import type { Cancel, Env, Millis } from "./env.ts";

interface Timer {
  at: Millis;
  order: number;
  work: () => void;
}

/** A small, fast generator of numbers in [0, 1): mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class FakeEnv implements Env {
  #wall: Millis;
  #mono: Millis = 0;
  #order = 0;
  #timers: Timer[] = [];
  readonly random: () => number;

  constructor({ now = Date.UTC(2026, 0, 1), seed = 1 }: { now?: Millis; seed?: number } = {}) {
    this.#wall = now;
    this.random = seededRandom(seed);
  }

  now(): Millis {
    return Math.floor(this.#wall);
  }

  mono(): Millis {
    return this.#mono;
  }

  after(delayMs: Millis, work: () => void): Cancel {
    const timer = { at: this.#mono + Math.max(0, delayMs), order: this.#order++, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(work: () => void): void {
    queueMicrotask(work);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.random() * 256));
  }

  /** Turns the wall clock by `byMs`, either way, without time passing. */
  jump(byMs: Millis): void {
    this.#wall += byMs;
  }

  /** Lets `ms` pass: timers fire in order, and what they started settles before the next one. */
  async advance(ms: Millis): Promise<void> {
    const end = this.#mono + ms;
    await settled();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#pass(Math.max(0, next.at - this.#mono));
      next.work();
      await settled();
    }
    this.#pass(end - this.#mono);
    await settled();
  }

  #next(end: Millis): Timer | undefined {
    const due = this.#timers.filter((timer) => timer.at <= end);
    return due.sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }

  #pass(ms: Millis): void {
    this.#mono += ms;
    this.#wall += ms;
  }
}

/** Resolves when promises that were on their way have settled. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
