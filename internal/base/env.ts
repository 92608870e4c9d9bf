/**
 * Env: everything the program takes from the world that is not data: the two
 * clocks, timers, randomness. It is handed in, so that a test or the simulation
 * can be the world.
 *
 * This is the one file that may call Date.now, performance.now, setTimeout,
 * setImmediate, Math.random or crypto. `scripts/tidy.test.ts` holds that.
 */

/** Milliseconds: since 1970 for an instant, a plain length for a duration. */
export type Millis = number;

/** Cancels what was asked for; harmless after it ran. */
export type Cancel = () => void;

export interface Env {
  /** Wall clock, in whole milliseconds since 1970. It may jump either way. */
  now(): Millis;
  /** Monotonic clock, in milliseconds since some start. It never goes back. */
  mono(): Millis;
  /** Runs `work` once after `delayMs`, measured on the monotonic clock. */
  after(delayMs: Millis, work: () => void): Cancel;
  /** Runs `work` when this turn's promises have settled: the moment to flush a group. */
  soon(work: () => void): void;
  /** A number in [0, 1). For jitter, never for secrets. */
  random(): number;
  /** Unguessable bytes. */
  bytes(count: number): Uint8Array;
}

/** setTimeout fires at once beyond 2^31-1 ms (24.8 days), so a long wait is made of these. */
export const TIMER_MAX_MS = 3_600_000;

/** The real world. */
export const realEnv: Env = {
  now: () => Date.now(),
  mono: () => performance.now(),
  after(delayMs, work) {
    const dueAt = performance.now() + delayMs;
    let timer: ReturnType<typeof setTimeout>;
    const arm = () => {
      const left = dueAt - performance.now();
      timer = setTimeout(left > TIMER_MAX_MS ? arm : work, Math.max(0, Math.min(left, TIMER_MAX_MS)));
    };
    arm();
    return () => clearTimeout(timer);
  },
  soon: (work) => void setImmediate(work),
  random: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

/** Waits; returns early, without an error, when the signal says so. */
export function sleep(env: Env, delayMs: Millis, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = env.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Resolves in a later turn of the event loop: for work that is long, so that others have their turn in between. */
export function turn(env: Env): Promise<void> {
  return new Promise((resolve) => env.soon(resolve));
}

/** Settles as the promise does, or rejects with `onTimeout()` when it takes longer than `limitMs`. */
export function within<T>(
  env: Env,
  limitMs: Millis,
  promise: Promise<T>,
  onTimeout: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = env.after(limitMs, () => reject(onTimeout()));
    promise.then(resolve, reject).finally(cancel);
  });
}
