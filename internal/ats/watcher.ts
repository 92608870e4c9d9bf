/**
 * Watcher: a plugin's standing wish to run a handler for every attestation that matches.
 *
 * A match becomes a job in the transaction that writes the attestation. Jobs are spread
 * over time, so that no more than the watcher's rate begin in a second; when a minute of
 * them is booked, it stays behind and comes to the rest later: nothing is left out, and a
 * handler that writes what it watches for goes on at its rate and never faster. Pure.
 */
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import { type Attestation, matches } from "./attestation.ts";

export interface Watcher {
  plugin: string;
  /** Unique within the plugin. */
  id: string;
  /** Whose attestations it sees: the plugin's tenant, or the host's own. */
  tenant: string;
  /** As the plugin announces it. */
  handler: string;
  subjects: readonly string[];
  predicates: readonly string[];
  contexts: readonly string[];
  actors: readonly string[];
  firesPerSecondMax: number;
  /** How many jobs that have not ended its plugin may have, when it makes one more; infinite: any number. */
  queueDepth: number;
}

/** How far a watcher has come. */
export interface WatcherProgress {
  /** Jobs that it has made. */
  fires: number;
  lastFiredAt: Millis | null;
  /** True while it has attestations to come to. */
  behind: boolean;
}

export const WATCHERS_MAX = 100; // Per plugin: each is held against every attestation.
export const WATCHER_FIRES_DEFAULT = 10; // A second, where a plugin says none: a handler that runs for a statement, not a stream.
export const WATCHER_FIRES_MAX = 1_000; // A second: what one plugin runs beside everything else.
export const WATCHER_AHEAD_MS: Millis = 60_000; // So much of its future may be booked: what follows waits in the attestations, not in the queue.

/** True when an attestation is one that it wants. */
export function wants(watcher: Watcher, attestation: Attestation): boolean {
  return matches(attestation, watcher);
}

/** When the next job may begin, and when the one after that; null when too much is booked. */
export function bookFire(
  { firesPerSecondMax }: Pick<Watcher, "firesPerSecondMax">,
  nextAt: Millis,
  now: Millis,
): { runAt: Millis; nextAt: Millis } | null {
  const spacing = 1_000 / firesPerSecondMax;
  const wasSetBack = nextAt > now + WATCHER_AHEAD_MS + spacing; // Nobody books that far: the clock was.
  const at = wasSetBack ? now : Math.max(now, nextAt);
  if (at > now + WATCHER_AHEAD_MS) return null;
  return { runAt: Math.floor(at), nextAt: at + spacing };
}

/** What its handler is given, as QNTX writes it. */
export function watcherPayload(attestation: Attestation): Uint8Array {
  const { id, subjects, predicates, contexts, actors, timestamp, source, attributes, createdAt } =
    attestation;
  const text = JSON.stringify({
    id,
    subjects,
    predicates,
    contexts,
    actors,
    timestamp: formatInstant(timestamp),
    source,
    attributes,
    created_at: formatInstant(createdAt),
  });
  return new TextEncoder().encode(text);
}
