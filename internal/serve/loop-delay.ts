/**
 * LoopDelay: for how long nobody was answered, because something held the event
 * loop. Bun keeps the score: a timer of its own that should ring every few
 * milliseconds, and by how much it was late. Told is the last full minute and
 * what has passed of this one.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";

const RESOLUTION_MS = 20; // What holds the loop for less may be missed, and 50 ms are promised. It is a third of what an idle host spends.
const WINDOW_MS: Millis = 60_000;

/** How late the loop was. */
export interface Lateness {
  p99Ms: Millis;
  worstMs: Millis;
}

export class LoopDelay implements Service {
  readonly name = "loop-delay";
  readonly #env: Env;
  readonly #score = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #before: Lateness = { p99Ms: 0, worstMs: 0 };

  constructor(env: Env) {
    this.#env = env;
  }

  /** The worst of the last one to two minutes. */
  get lately(): Lateness {
    const now = this.#now();
    return {
      p99Ms: Math.max(this.#before.p99Ms, now.p99Ms),
      worstMs: Math.max(this.#before.worstMs, now.worstMs),
    };
  }

  /** Keeps the score until `stop`. */
  async run({ stop }: StopSignals): Promise<void> {
    this.#score.enable();
    while (!stop.aborted) {
      await sleep(this.#env, WINDOW_MS, stop);
      this.#before = this.#now();
      this.#score.reset();
    }
    this.#score.disable();
  }

  #now(): Lateness {
    const worstMs = millis(this.#score.max);
    // A percentile is the end of a bucket, which may lie above everything that is in it.
    return { p99Ms: Math.min(worstMs, millis(this.#score.percentile(99))), worstMs };
  }
}

/** Nanoseconds as milliseconds, to a tenth. */
function millis(nanos: number): Millis {
  return Math.round(nanos / 100_000) / 10;
}
