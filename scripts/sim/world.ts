/**
 * World: time and its events. Nothing happens between two events, and each runs to
 * its end, promises included, before the next one: `drainMicrotasks` makes a whole
 * host a plain loop. Same seed, same order, same hash.
 *
 * Time here never goes back. What a host sees as the wall clock is another matter:
 * it drifts, and somebody sets it.
 */
import { drainMicrotasks } from "bun:jsc";
import type { Cancel, Millis } from "../../internal/base/env.ts";

/** Whoever an event belongs to. A dead owner's events never run; a frozen one's wait. */
export interface Owner {
  readonly alive: boolean;
  readonly frozenUntil: Millis;
}

/** A promise that did not hold. */
export interface Violation {
  /** `I1` to `I9`, as the reliability rules number them, or `promise` for one of the other rules. */
  invariant: string;
  message: string;
  at: Millis;
}

interface Happening {
  at: Millis;
  order: number;
  owner: Owner | null;
  label: string;
  work: (() => void) | null;
}

/** Thrown where a host dies, so that nothing after that point of it happens. */
export class Killed extends Error {}

const INSTANT_EVENTS_MAX = 20_000; // So many events without time passing are a loop that never ends.
const EVENTS_MAX = 1_500_000; // Ten times what a seed needs.
const TRACE_LINES = 400; // What a failing seed shows of how it came to it.

export class World {
  /** Monotonic time since the world began. */
  time: Millis = 0;
  /** Added to real time to make the wall clock. */
  wallOffset: Millis;
  /** How much faster the wall clock goes: 0.001 is a second in a quarter of an hour. */
  drift = 0;
  /** When somebody set the wall clock last. */
  clockSetAt: Millis = 0;
  /** Until when something went wrong last. */
  troubleAt: Millis = 0;
  readonly violations: Violation[] = [];
  /** Looked at after every event. */
  onTurn: () => void = () => {};
  /** Told every line of the trace, for people. */
  onTrace: ((line: string) => void) | null = null;
  events = 0;
  readonly #heap: Happening[] = [];
  readonly #trace: string[] = [];
  #order = 0;
  #hash = 0n;
  #instantEvents = 0;

  constructor(wallAt: Millis) {
    this.wallOffset = wallAt;
  }

  /** The wall clock. */
  wall(): Millis {
    return Math.floor(this.wallOffset + this.time * (1 + this.drift));
  }

  /** Sets the wall clock, forward or back. */
  setClock(by: Millis): void {
    this.note(`the clock is set by ${by} ms`);
    this.wallOffset += by;
    this.clockSetAt = this.time;
    this.trouble();
  }

  /** Makes the wall clock go faster or slower from now on, without a step. */
  driftBy(drift: number): void {
    this.wallOffset += this.time * (this.drift - drift);
    this.drift = drift;
  }

  /** Something goes wrong, now and for so long. */
  trouble(forMs: Millis = 0): void {
    this.troubleAt = Math.max(this.troubleAt, this.time + forMs);
  }

  get hash(): string {
    return this.#hash.toString(16).padStart(16, "0");
  }

  later(delayMs: Millis, label: string, work: () => void, owner: Owner | null = null): Cancel {
    const happening = {
      at: this.time + Math.max(0, delayMs),
      order: this.#order++,
      owner,
      label,
      work: work as (() => void) | null,
    };
    this.#push(happening);
    return () => void (happening.work = null);
  }

  /** Says what happened: part of the hash, and of the trace. */
  note(text: string): void {
    this.#hash = Bun.hash.xxHash64(`${this.time} ${text}`, this.#hash);
    const line = `${(this.time / 1000).toFixed(3).padStart(10)} ${text}`;
    this.#trace.push(line);
    if (this.#trace.length > 2 * TRACE_LINES) this.#trace.splice(0, TRACE_LINES);
    this.onTrace?.(line);
  }

  /** The last things that happened. */
  get trace(): readonly string[] {
    return this.#trace.slice(-TRACE_LINES);
  }

  /** A promise was broken; the run ends after this event. */
  violate(invariant: string, message: string): void {
    this.note(`VIOLATION ${invariant}: ${message}`);
    this.violations.push({ invariant, message, at: this.time });
  }

  /** Lets time pass until `end`, or until a promise is broken. */
  runUntil(end: Millis): void {
    for (let next = this.#pop(end); next && this.violations.length === 0; next = this.#pop(end)) {
      this.#instantEvents = next.at > this.time ? 0 : this.#instantEvents + 1;
      this.time = next.at;
      this.#happen(next);
      if (this.#instantEvents > INSTANT_EVENTS_MAX)
        this.violate("I8", `${INSTANT_EVENTS_MAX} events at one instant, the last "${next.label}": it spins`);
      if (++this.events > EVENTS_MAX) this.violate("I8", `more than ${EVENTS_MAX} events: it spins`);
    }
    if (this.violations.length === 0) this.time = end;
  }

  #happen({ work, label }: Happening): void {
    this.#hash = Bun.hash.xxHash64(`${this.time} ${label}`, this.#hash);
    try {
      work?.();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    drainMicrotasks();
    this.onTurn();
  }

  /** The next event that may run. */
  #pop(end: Millis): Happening | undefined {
    for (let first = this.#heap[0]; first && first.at <= end; first = this.#heap[0]) {
      this.#takeFirst();
      if (first.work === null || first.owner?.alive === false) continue;
      if (first.owner && first.owner.frozenUntil > first.at) {
        first.at = first.owner.frozenUntil;
        this.#push(first);
        continue;
      }
      return first;
    }
    return undefined;
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let index = heap.push(happening) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfBefore(index, parent)) return;
      index = parent;
    }
  }

  #takeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const child = right < heap.length && this.#isBefore(right, left) ? right : left;
      if (child >= heap.length || !this.#swapIfBefore(child, index)) return;
      index = child;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (!first || !second) return false;
    return first.at < second.at || (first.at === second.at && first.order < second.order);
  }

  #swapIfBefore(lower: number, upper: number): boolean {
    const [a, b] = [this.#heap[lower], this.#heap[upper]];
    if (!a || !b || !this.#isBefore(lower, upper)) return false;
    this.#heap[lower] = b;
    this.#heap[upper] = a;
    return true;
  }
}
