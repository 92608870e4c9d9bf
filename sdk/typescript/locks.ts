/**
 * Locks: the same three calls in both directions. A plugin asks its host for locks;
 * a plugin that is a lock provider answers hosts.
 */
import { status } from "@grpc/grpc-js";
import { LockServiceService, type TryLockResponse } from "../../proto/gen/qntx/v1/lock.ts";
import type { Ask } from "./call.ts";
import { textOf } from "./ending.ts";
import { checkGiven, type Kind } from "./given.ts";
import { HostError } from "./host-error.ts";
import { type Methods, Refusal, type UnaryMethod } from "./server.ts";

/** A lock that was taken. */
export interface LockHandle {
  /** Random: whoever has it may renew and release. */
  token: string;
  /** Greater than all that were given for this key before: what is protected can refuse a smaller one. */
  fence: number;
}

/** Why a lock was not taken. */
export interface LockContention {
  /** Who has it; empty when that is not known. */
  holder: string;
  /** Milliseconds that it is still theirs, unless they renew it; 0 when that is not known. */
  leftMs: number;
}

export interface Locks {
  /**
   * Takes a lock for a while, or says who has it; never waits. The same holder is given its
   * lock again. Rejects when nobody could say: then it may be taken, and can be asked for again.
   */
  tryLock(wish: { key: string; ttlMs: number; holder: string }): Promise<LockHandle | LockContention>;
  /** Keeps it for `ttlMs` from now. False when it ran out, or somebody else has it. */
  renew(token: string, ttlMs: number): Promise<boolean>;
  /** Gives it back. False when it was not held with this token any more. */
  release(token: string): Promise<boolean>;
}

const WISH: Readonly<Record<string, Kind>> = { key: "text", ttlMs: "whole", holder: "text" };

/** The locks of the host. */
export function createLocks(ask: Ask): Locks {
  return {
    async tryLock(wish) {
      checkGiven("a lock", wish, WISH);
      const { key = "", ttlMs = 0, holder = "" } = wish;
      const request = { key, ttlMs, holder };
      return readAnswer(await ask(LockServiceService.tryLock, request));
    },
    async renew(token, ttlMs) {
      checkGiven("a lock", { ttlMs }, WISH);
      return (await ask(LockServiceService.renew, { token, ttlMs })).held;
    },
    async release(token) {
      return (await ask(LockServiceService.release, { token })).released;
    },
  };
}

/** The locks of a plugin as a gRPC service. Whatever they throw is an answer with the sentence. */
export function lockService(locks: () => Locks | undefined): Methods<LockServiceService> {
  return {
    tryLock: answered(locks, async (provider, { key, ttlMs, holder }) =>
      writeAnswer(await provider.tryLock({ key, ttlMs, holder })),
    ),
    renew: answered(locks, async (provider, { token, ttlMs }) => ({
      held: await provider.renew(token, ttlMs),
    })),
    release: answered(locks, async (provider, { token }) => ({ released: await provider.release(token) })),
  };
}

function readAnswer({ handle, contention }: TryLockResponse): LockHandle | LockContention {
  if (handle) return { token: handle.token, fence: handle.fence };
  if (contention) return { holder: contention.holder, leftMs: contention.leftMs };
  throw new HostError("INTERNAL", "The host did not say whether the lock was taken.");
}

function writeAnswer(answer: LockHandle | LockContention): TryLockResponse {
  if ("token" in answer) return { handle: answer, contention: undefined };
  const { holder, leftMs } = answer;
  return { handle: undefined, contention: { holder, leftMs: Math.round(leftMs) } };
}

/** A call of a host, before or after the plugin has locks to give. */
function answered<Q, A>(
  locks: () => Locks | undefined,
  method: (provider: Locks, request: Q) => Promise<A>,
): UnaryMethod<Q, A> {
  return async (request) => {
    const provider = locks();
    if (!provider) throw new Refusal(status.FAILED_PRECONDITION, "This plugin provides no locks.");
    try {
      return await method(provider, request);
    } catch (error) {
      throw new Refusal(status.UNAVAILABLE, textOf(error));
    }
  };
}
