/**
 * Lock server: keeps the locks of occurrences for all nodes, outside of every host.
 * Questions and answers are late or lost, the server is away for a while, and another
 * node is faster now and then. It remembers who was given what.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { LockAnswer, LockProvider, LockWish } from "../../internal/store/locks.ts";
import type { Scene } from "./scene.ts";
import type { Owner } from "./world.ts";

/** The plugin that asks the server. */
export const LOCK_PLUGIN = "locks";

/** The other node. */
export const RIVAL = "ND_rival";
const WAY_MS: [Millis, Millis] = [1, 30];
const SLOW_WAY_MS: [Millis, Millis] = [500, 4_000];

export class LockServer {
  readonly #scene: Scene;
  readonly #held = new Map<string, { holder: string; until: Millis }>();
  #awayUntil: Millis = 0;
  #fence = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** From now on it is away at times. */
  start(): void {
    const { dice, swarm, world } = this.#scene;
    this.#scene.every(swarm.lockOutageMs, dice.locks, "the lock server goes away", () => {
      this.#awayUntil = world.time + dice.locks.pick([2_000, 20_000, 100_000]);
      world.note(`the lock server is away until ${this.#awayUntil}`);
    });
  }

  /** Who has a lock. */
  holderOf(key: string): string | undefined {
    return this.#held.get(key)?.holder;
  }

  /** The server as one host sees it. */
  providerFor(owner: Owner): LockProvider {
    return {
      tryLock: (wish) => this.#tryLock(wish, owner),
      renew: () => Promise.reject(new Error("nobody renews the lock of an occurrence")),
      release: () => Promise.reject(new Error("nobody gives the lock of an occurrence back")),
    };
  }

  async #tryLock(wish: LockWish, owner: Owner): Promise<LockAnswer> {
    await this.#way(owner);
    if (this.#isLost()) throw new Error("injected: the question was lost");
    const answer = this.#answer(wish);
    await this.#way(owner);
    if (this.#isLost()) throw new Error("injected: the answer was lost");
    return answer;
  }

  #answer({ key, ttlMs, holder }: LockWish): LockAnswer {
    const { world, dice, swarm } = this.#scene;
    const before = this.#held.get(key);
    const taken = before !== undefined && before.until > world.time;
    const rival = !taken && !this.#scene.calm && dice.locks.chance(swarm.rivalShare);
    if (!taken) this.#held.set(key, { holder: rival ? RIVAL : holder, until: world.time + ttlMs });
    const now = this.#held.get(key);
    if (now && now.holder !== holder)
      return { contention: { holder: now.holder, leftMs: now.until - world.time } };
    return { handle: { token: key, fence: ++this.#fence } };
  }

  #isLost(): boolean {
    const { world, dice, swarm, calm } = this.#scene;
    return !calm && (world.time < this.#awayUntil || dice.locks.chance(swarm.lockLossShare));
  }

  /** On a line, in one direction. */
  #way(owner: Owner): Promise<void> {
    const { world, dice, calm } = this.#scene;
    const slow = !calm && dice.locks.chance(0.05);
    const ms = dice.locks.between(...(slow ? SLOW_WAY_MS : WAY_MS));
    return new Promise((resolve) => void world.later(ms, "lock server", resolve, owner));
  }
}
