/** Limits: how much, how long and how often is fetched from the web. */
import type { Millis } from "../base/env.ts";

export interface FetchLimits {
  /** For all of it: waiting for one's turn, every hop, and the body. */
  totalMs: Millis;
  /** Of the answer's body. */
  bytesMax: number;
  hopsMax: number;
  /** Between two requests to one host. */
  hostGapMs: Millis;
  /** Of one host at once, for all plugins together. */
  hostAtOnce: number;
  /** Of one plugin at once, those that wait included. */
  callerAtOnce: number;
}

export const FETCH_LIMITS: FetchLimits = {
  totalMs: 25_000, // Callers give up after thirty, as QNTX, and should hear why before.
  bytesMax: 3_145_728, // 3 MiB: with what is around it, it fits the 4 MiB that clients of gRPC take.
  hopsMax: 5, // Browsers follow twenty; a program's address is known better.
  hostGapMs: 333, // Three a second, as QNTX: a plugin in a loop must not look like an attack.
  hostAtOnce: 4,
  callerAtOnce: 8, // One that waits for slow hosts leaves the others theirs.
};
