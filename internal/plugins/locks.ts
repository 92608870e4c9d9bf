/**
 * PluginLocks: the locks of a plugin that says in Describe that it provides them.
 * Whatever is in the way, its end, its silence or its own error, is thrown with a
 * sentence, and says nothing about whether the lock was taken.
 */
import type { TryLockResponse } from "../../proto/gen/qntx/v1/lock.ts";
import type { Millis } from "../base/env.ts";
import { Fault, shown } from "../base/fault.ts";
import type { LockAnswer, LockProvider, LockWish } from "../store/locks.ts";
import type { Answer } from "../../sdk/typescript/channel.ts";
import { answerText, type Connection } from "./connection.ts";
import type { Supervisor } from "./supervisor.ts";

const ANSWER_MS: Millis = 5_000; // A lock server that takes longer is asked again; the schedule's window is what ends that.

export class PluginLocks implements LockProvider {
  readonly #supervisor: Supervisor;

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
  }

  async tryLock({ key, ttlMs, holder }: LockWish): Promise<LockAnswer> {
    const answer = await this.#connection.tryLock({ key, ttlMs: Math.round(ttlMs), holder }, ANSWER_MS);
    return this.#readAnswer(this.#valueOf(answer));
  }

  async renew(token: string, ttlMs: Millis): Promise<boolean> {
    const answer = await this.#connection.renewLock({ token, ttlMs: Math.round(ttlMs) }, ANSWER_MS);
    return this.#valueOf(answer).held;
  }

  async release(token: string): Promise<boolean> {
    return this.#valueOf(await this.#connection.releaseLock({ token }, ANSWER_MS)).released;
  }

  get #connection(): Connection {
    const { session, name } = this.#supervisor;
    if (session) return session.connection;
    const { state, reason } = this.#supervisor.status();
    throw new Fault("unreachable", `plugin ${name} is ${state}${reason === "" ? "" : `: ${reason}`}`);
  }

  #valueOf<T>(answer: Answer<T>): T {
    if (answer.ok) return answer.value;
    throw new Fault("unreachable", answer.details || answerText(answer));
  }

  #readAnswer({ handle, contention }: TryLockResponse): LockAnswer {
    if (handle && handle.token !== "") return { handle: { token: handle.token, fence: handle.fence } };
    if (contention) {
      const { holder, leftMs } = contention;
      return { contention: { holder: holder || null, leftMs: leftMs > 0 ? leftMs : null } };
    }
    const said = shown({ handle, contention });
    throw new Fault(
      "failed",
      `plugin ${this.#supervisor.name} answered with neither a lock nor its holder: ${said}`,
    );
  }
}
