/**
 * WrongTokens: who knocks with a token that is none, or has ended. Such a call is refused
 * and not slowed, because a token has 256 bits; but that somebody tries, people should know.
 *
 * All are counted. The trail hears of the first at once and of what follows a second
 * later, as one: whoever knocks ten thousand times a second shall not keep the disk busy.
 */
import type { Cancel, Env, Millis } from "../base/env.ts";
import { messageOf } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import type { Log } from "../base/log.ts";
import type { AuditStore } from "../store/audit.ts";

/** Where somebody knocks: the host's own address, or where plugins call back. */
export type TokenDoor = "http" | "services";

export const TELL_AGAIN_MS: Millis = 1_000; // Sixty a minute at most, of which the trail keeps twenty rows.

interface Knocks {
  count: number;
  told: number;
  /** Set for a second after somebody was told of. */
  rest: Cancel | null;
}

export class WrongTokens {
  readonly #env: Env;
  readonly #log: Log;
  readonly #audit: Pick<AuditStore, "add">;
  readonly #knocks: Readonly<Record<TokenDoor, Knocks>> = { http: none(), services: none() };
  #isClosed = false;

  constructor({ env, log }: { env: Env; log: Log }, audit: Pick<AuditStore, "add">) {
    this.#env = env;
    this.#log = log;
    this.#audit = audit;
  }

  /** How many there were since this host began. */
  get counts(): Readonly<Record<TokenDoor, number>> {
    return { http: this.#knocks.http.count, services: this.#knocks.services.count };
  }

  note(door: TokenDoor): void {
    const knocks = this.#knocks[door];
    knocks.count++;
    if (knocks.rest === null) this.#tell(door, knocks);
  }

  /** Tells of nothing any more: the store is about to close. */
  close(): void {
    this.#isClosed = true;
    for (const { rest } of Object.values(this.#knocks)) rest?.();
  }

  #tell(door: TokenDoor, knocks: Knocks): void {
    if (this.#isClosed) return;
    knocks.rest = this.#env.after(TELL_AGAIN_MS, () => {
      knocks.rest = null;
      if (knocks.count > knocks.told) this.#tell(door, knocks);
    });
    knocks.told = knocks.count;
    void this.#write(door, knocks.count);
  }

  async #write(door: TokenDoor, count: number): Promise<void> {
    const where = door === "http" ? "a call of the host" : "a call of a service for plugins";
    const detail = `The token of ${where} is missing or wrong; ${count} since the host has started.`;
    const about = { principal: "nobody", operation: "token.refuse", subject: door };
    try {
      await this.#audit.add({ id: newId(this.#env, "AU"), ...about, allowed: false, detail });
    } catch (error) {
      this.#log.error("an audit row could not be written", {
        operation: about.operation,
        error: messageOf(error),
      });
    }
  }
}

function none(): Knocks {
  return { count: 0, told: 0, rest: null };
}
