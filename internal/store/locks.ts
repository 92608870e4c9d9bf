/**
 * Locks: a key that one holder has for a while. The store is one provider; a plugin
 * can be another, so that hosts which share no store share locks.
 *
 * A lock ends by itself. It is no proof that its holder is still alone: the fence is,
 * where the thing that is protected refuses a smaller one than it has seen.
 */
import type { Millis } from "../base/env.ts";

export interface LockWish {
  key: string;
  /** How long it is held, by the provider's clock. */
  ttlMs: Millis;
  /** Who asks. The same holder is given its lock again, with a new token and fence. */
  holder: string;
}

export interface LockHandle {
  /** Unguessable: whoever has it may renew and release. */
  token: string;
  /** Greater than all that were given for this key before. */
  fence: number;
}

/** The lock, or who has it and for how long; null where that is not known. */
export type LockAnswer =
  { handle: LockHandle } | { contention: { holder: string | null; leftMs: Millis | null } };

/** What a provider does. Whatever goes wrong is thrown, and then nobody knows whether the lock was taken. */
export interface LockProvider {
  /** Takes the lock or says who has it; never waits for it. */
  tryLock(wish: LockWish): Promise<LockAnswer>;
  /** Keeps it for another while. False when it ran out, or somebody else has it. */
  renew(token: string, ttlMs: Millis): Promise<boolean>;
  /** Gives it back. False when it was not held with this token any more. */
  release(token: string): Promise<boolean>;
}

export const LOCK_KEY_CHARS_MAX = 512;
export const LOCK_HOLDER_CHARS_MAX = 128;
export const LOCK_TTL_MIN_MS: Millis = 100; // Shorter ones end on the way to who asked.
export const LOCK_TTL_MAX_MS: Millis = 604_800_000; // A week: what a dead program left locked is free again some day.

/** An occurrence that waits for its lock. */
export interface LockWait {
  scheduleId: string;
  node: string;
  occurrence: Millis;
  key: string;
  ttlMs: Millis;
}

/** What a provider answered for one: it is ours, or `otherNode` says whose. */
export type LockVerdict = Pick<LockWait, "scheduleId" | "node" | "occurrence"> & {
  otherNode: string | null;
};
