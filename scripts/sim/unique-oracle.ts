/**
 * Unique oracle: of the jobs of a handler that name the same unique key, one is there
 * that has not ended; and for as long as its client wanted the key held, none is made
 * beside it, whatever became of it.
 */
import type { Millis } from "../../internal/base/env.ts";
import { isFinished, type NewJob } from "../../internal/job/job.ts";
import type { JobFollower } from "./job-oracle.ts";
import type { JobRecord } from "./journal.ts";
import type { World } from "./world.ts";

interface Holder {
  id: string;
  until: Millis;
}

export class UniqueOracle implements JobFollower {
  readonly #world: World;
  /** For how long clients want the keys of their jobs held. */
  readonly #wanted = new Map<string, Millis>();
  readonly #open = new Map<string, string>();
  readonly #held = new Map<string, Holder>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A client asks for a job, and may never hear an answer. */
  asked({ id, uniqueForMs }: NewJob): void {
    if (uniqueForMs !== undefined) this.#wanted.set(id, uniqueForMs);
  }

  /** True while a key is held by a job, whether that has ended or not. */
  holds({ id, handler, uniqueKey }: JobRecord): boolean {
    const holder = this.#held.get(`${handler} ${uniqueKey}`);
    return holder?.id === id && holder.until > this.#world.wall();
  }

  made(job: JobRecord): void {
    if (job.uniqueKey === null) return;
    const key = `${job.handler} ${job.uniqueKey}`;
    const open = this.#open.get(key);
    if (open !== undefined)
      this.#world.violate("promise 2", `${job.id} has the unique key of ${open}, which is open`);
    const held = this.#held.get(key);
    if (held && held.until > this.#world.wall())
      this.#world.violate("promise 2", `${job.id} has the unique key that is held for ${held.id}`);
    this.#open.set(key, job.id);
    const forMs = this.#wanted.get(job.id);
    if (forMs !== undefined) this.#held.set(key, { id: job.id, until: job.createdAt + forMs });
  }

  removed({ id, handler, uniqueKey }: JobRecord): void {
    const key = `${handler} ${uniqueKey}`;
    if (this.#held.get(key)?.id === id) this.#held.delete(key);
  }

  changed(_before: JobRecord, { id, handler, uniqueKey, state }: JobRecord): void {
    const key = `${handler} ${uniqueKey}`;
    if (uniqueKey !== null && isFinished(state) && this.#open.get(key) === id) this.#open.delete(key);
  }
}
