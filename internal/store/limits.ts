/**
 * Limits: what keeps jobs in line although somebody could run them. They are kept
 * in the store, so that they hold for every node and outlive a restart; a claim
 * looks at them in its own transaction.
 *
 * A handler is named here as jobs name it: `x` is every job for `x`, whichever
 * plugin it was addressed to; `<plugin>/x` is those that were addressed so.
 */
import type { Millis } from "../base/env.ts";
import { handlerOfLane } from "../job/lane.ts";
import type { Rate } from "../base/rate.ts";

/** A handler whose jobs wait because somebody said so. */
export interface HandlerPause {
  handler: string;
  by: string;
  note: string;
  at: Millis;
}

/** Limits of a handler that hold over all nodes; null where there is none. */
export interface HandlerLimits {
  handler: string;
  /** Jobs of one concurrency key at once; null means the usual one. */
  perKey: number | null;
  /** How many of its jobs start in how long, each try counted. */
  rate: Rate | null;
  /** How many of them at once after a pause; null means what falls into a tenth of a second. */
  burst: number | null;
}

/** The same, with what the store knows of it. */
export interface KeptLimits extends HandlerLimits {
  /** When the next job may start; in the past when one may now, null without a rate. */
  opensAt: Millis | null;
}

export interface LimitStore {
  /** Lets the jobs of a handler wait; those that run go on. One that is paused already gets the new note. */
  pause(pause: Omit<HandlerPause, "at">): Promise<HandlerPause>;
  /** Lets them run again. Null when the handler was not paused. */
  resume(handler: string, by: string): Promise<HandlerPause | null>;
  /** Sets the limits of a handler. Jobs that have room because of it are let go; what runs goes on. */
  set(limits: HandlerLimits): Promise<void>;
  /** Of all handlers that have any. */
  all(): Promise<KeptLimits[]>;
  /** Those of one handler; null when it has none. */
  get(handler: string): Promise<KeptLimits | null>;
  /** By handler; all of them. */
  pauses(): Promise<HandlerPause[]>;
}

/** A key alone means: one after the other. */
export const CONCURRENCY_PER_KEY_DEFAULT = 1;
export const HANDLER_PAUSES_MAX = 1_000; // They are read whole whenever somebody asks why a job waits.

/** The pause that holds a lane's jobs; undefined when none does. */
export function pauseOf(pauses: readonly HandlerPause[], lane: string): HandlerPause | undefined {
  return pauses.find(({ handler }) => handler === lane || handler === handlerOfLane(lane));
}
