/**
 * Lifecycle: how things that run are started and ended.
 *
 * A Service has one method, `run`, whose promise settles only when nothing of
 * the service is left. It is stopped in two steps: `stop` means take no new
 * work, `abort` means end the work you have.
 */
import { type Env, type Millis, sleep } from "./env.ts";

export interface StopSignals {
  stop: AbortSignal;
  abort: AbortSignal;
}

export interface Service {
  /** What it is called in logs. */
  readonly name: string;
  run(signals: StopSignals): Promise<void>;
}

export interface QuitSignals {
  /** Somebody asked us to end. */
  quit: AbortSignal;
  /** Somebody asked again: do not wait for the grace period. */
  hurry: AbortSignal;
}

/** Resolves when the signal is aborted; at once if it already is. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Runs services side by side. When one ends, for whatever reason, all of them end. Throws what they threw. */
export async function runTogether(
  env: Env,
  services: readonly Service[],
  { quit, hurry }: QuitSignals,
  graceMs: Millis,
): Promise<void> {
  const stop = new AbortController();
  const abort = new AbortController();
  const over = new AbortController();

  const runs = services.map((service) =>
    service.run({ stop: stop.signal, abort: abort.signal }).finally(() => stop.abort()),
  );
  const ended = Promise.allSettled(runs).finally(() => over.abort());

  await aborted(AbortSignal.any([quit, stop.signal]));
  stop.abort();
  await sleep(env, graceMs, AbortSignal.any([hurry, over.signal]));
  abort.abort();

  const failures = (await ended).flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, "several parts failed");
}
