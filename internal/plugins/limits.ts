/** Limits: how long a plugin may take for each step of its life, and how often it may fail. */
import type { Millis } from "../base/env.ts";

export interface PluginLimits {
  /** After this the others no longer wait for it: it is `late`. */
  startupMs: Millis;
  /** From the start of its process to its answer to Metadata. */
  handshakeMs: Millis;
  /** Without a port line for this long, it is expected at the port that it was asked for. */
  portLineMs: Millis;
  /** The budget of Describe: plugin.describe. */
  describeMs: Millis;
  initializeMs: Millis;
  /** For each call that asks what it says of itself. */
  aboutMs: Millis;
  healthEveryMs: Millis;
  healthMs: Millis;
  /** A process in state T for this long is replaced. */
  stoppedMs: Millis;
  /** How long a new version runs beside the old one before it takes its place. */
  proofMs: Millis;
  /** How long running jobs are waited for when somebody stops or restarts it. */
  drainMs: Millis;
  /** How long those that still run have to end once they are told to, before it cleans up beside them. */
  interruptMs: Millis;
  /** The budget of Cleanup: plugin.cleanup. */
  cleanupMs: Millis;
  shutdownMs: Millis;
  termMs: Millis;
  httpMs: Millis;
  backoffFirstMs: Millis;
  backoffMaxMs: Millis;
  /** So many ends that nobody asked for, within the window, and it is not started again. */
  crashesMax: number;
  crashWindowMs: Millis;
}

export const PLUGIN_LIMITS: PluginLimits = {
  startupMs: 30_000,
  handshakeMs: 30_000,
  portLineMs: 2_000, // As QNTX waits.
  describeMs: 10_000, // It says what it knows already.
  initializeMs: 600_000, // Some load a model first; the others have long stopped waiting.
  aboutMs: 5_000, // As QNTX waits.
  healthEveryMs: 10_000,
  healthMs: 5_000,
  stoppedMs: 3_000, // Nobody stops a plugin for shorter by accident, and its jobs wait meanwhile.
  proofMs: 3_000, // What breaks at once has broken by then, and whoever upgrades waits for it.
  drainMs: 10_000,
  interruptMs: 1_000, // Who listens has ended long before.
  cleanupMs: 5_000,
  shutdownMs: 5_000,
  termMs: 3_000,
  httpMs: 30_000,
  backoffFirstMs: 1_000,
  backoffMaxMs: 60_000,
  crashesMax: 5, // More than the deaths that one poison job may cause.
  crashWindowMs: 60_000,
};
