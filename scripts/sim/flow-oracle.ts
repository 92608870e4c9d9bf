/**
 * Flow oracle: whoever waits for others runs when all of them have ended, and only as
 * its policy says; the children of a job that is cancelled, or that fails and wants it
 * so, end with it, and nobody else's do. It knows who is tied to whom from the clients,
 * and how each ended from the journal.
 */
import type { Millis } from "../../internal/base/env.ts";
import {
  type ChildPolicy,
  isFinished,
  type JobState,
  type NewJob,
  type WaitPolicy,
} from "../../internal/job/job.ts";
import type { JobFollower } from "./job-oracle.ts";
import { errorOf, type JobRecord } from "./journal.ts";
import type { World } from "./world.ts";

interface Waiter {
  policy: WaitPolicy;
  /** Those that it waits for, that were there when it was made. */
  awaited: readonly string[];
}

const FOLLOWED_WITHIN_MS: Millis = 5_000; // When nothing goes wrong, milliseconds.

export class FlowOracle implements JobFollower {
  readonly #world: World;
  readonly #wanted = new Map<string, NewJob>();
  readonly #states = new Map<string, JobState>();
  /** Those that were asked to end while they ran. */
  readonly #asked = new Set<string>();
  /** Those that were removed: who comes later does not wait for them. */
  readonly #gone = new Set<string>();
  readonly #waiters = new Map<string, Waiter>();
  /** Who waits for each job. */
  readonly #waitedBy = new Map<string, string[]>();
  readonly #children = new Map<string, Set<string>>();
  readonly #childPolicies = new Map<string, ChildPolicy>();
  /** Jobs that must end because of others: since when, and whose. */
  readonly #owed = new Map<string, { at: Millis; by: string }>();

  /** While there was no host, nobody could end anything. */
  #hostSince: Millis = 0;

  constructor(world: World) {
    this.#world = world;
  }

  hostStarts(): void {
    this.#hostSince = this.#world.time;
  }

  /** A client asks for a job, and may never hear an answer. */
  asked(job: NewJob): void {
    this.#wanted.set(job.id, job);
  }

  /** True for one that waits for others from the beginning. */
  waits(id: string): boolean {
    return (this.#wanted.get(id)?.waitFor?.length ?? 0) > 0;
  }

  /** True while one for which it waits has not ended. */
  waitsStill(id: string): boolean {
    const awaited = this.#wanted.get(id)?.waitFor ?? []; // Also one that was gone, and whose id was taken again.
    return awaited.some((other) => !isFinished(this.#states.get(other) ?? "completed"));
  }

  /** True when others are a reason to cancel a job. */
  mayCancel({ id, parentId }: JobRecord): boolean {
    if (this.#owed.has(id) || this.#endsChildren(parentId ?? "") || this.#asked.has(parentId ?? ""))
      return true;
    return (this.#waitedBy.get(id) ?? []).some(
      (waiter) => this.#waiters.get(waiter)?.policy === "cancel" && this.#states.get(waiter) === "failed",
    );
  }

  made(job: JobRecord): void {
    this.#states.set(job.id, job.state);
    if (this.#gone.delete(job.id)) this.#takenAgain(job.id);
    const wanted = this.#wanted.get(job.id);
    if (job.parentId !== null) setOf(this.#children, job.parentId).add(job.id);
    const childPolicy = wanted?.childPolicy ?? this.#childPolicies.get(job.retryOf ?? "");
    if (childPolicy) this.#childPolicies.set(job.id, childPolicy);
    const waitFor = wanted?.waitFor ?? [];
    if (waitFor.length === 0) return;
    const awaited = waitFor.filter((id) => this.#isThere(id));
    this.#waiters.set(job.id, { policy: wanted?.waitPolicy ?? "fail", awaited });
    for (const id of waitFor) this.#waitedBy.set(id, [...(this.#waitedBy.get(id) ?? []), job.id]);
  }

  /** The id of one that was removed is free: how the new one fares is no matter of those who waited for the old one. */
  #takenAgain(id: string): void {
    for (const waiter of this.#waitedBy.get(id) ?? []) {
      const known = this.#waiters.get(waiter);
      if (known) known.awaited = known.awaited.filter((other) => other !== id);
    }
  }

  claimed(job: JobRecord): void {
    this.#checkReady(job, "started");
    this.#checkOwed(job, "starts");
  }

  changed(before: JobRecord, after: JobRecord): void {
    this.#states.set(after.id, after.state);
    if (before.state !== "queued" && after.state === "queued") this.#checkReady(after, "is due");
    if (before.cancelRequested === 0 && after.cancelRequested === 1) {
      this.#asked.add(after.id);
      this.#owe(this.#childrenOf(after.id), after.id);
    }
    if (!isFinished(after.state)) return;
    this.#checkEnd(after);
    if (this.#endsChildren(after.id)) this.#owe(this.#childrenOf(after.id), after.id);
    this.#owed.delete(after.id);
  }

  removed({ id, parentId }: JobRecord): void {
    this.#gone.add(id);
    this.#waiters.delete(id);
    this.#owed.delete(id);
    this.#children.get(parentId ?? "")?.delete(id);
  }

  /** All that a job waits for has ended, and as it wants. */
  #checkReady({ id }: JobRecord, verb: string): void {
    const waiter = this.#waiters.get(id);
    for (const awaited of waiter?.awaited ?? []) {
      const state = this.#states.get(awaited) ?? "completed";
      if (!isFinished(state)) this.#say(`${id} ${verb}, and waits for ${awaited}, which is ${state}`);
      else if (waiter?.policy !== "continue" && state !== "completed")
        this.#say(`${id} ${verb}, although ${awaited}, for which it waited, is ${state}`);
    }
  }

  #checkEnd(job: JobRecord): void {
    const { id, state } = job;
    const waiter = this.#waiters.get(id);
    if (state === "failed" && errorOf(job)?.kind === "awaited") {
      // The id of one that was gone may have been taken again before that was told.
      const again = this.#wanted.get(id)?.waitFor?.filter((other) => this.#isThere(other)) ?? [];
      const awaited = [...(waiter?.awaited ?? []), ...again];
      const broken = awaited.some((other) => /failed|cancelled/.test(this.#states.get(other) ?? ""));
      if (!broken || waiter?.policy === "continue")
        this.#say(`${id} failed with others, and none has failed`);
      if (waiter?.policy === "cancel") this.#owe(waiter.awaited, id);
    }
    if (state !== "cancelled" && job.cancelRequested === 0) this.#checkOwed(job, `is ${state}`);
  }

  /** One that others have ended does not go on for long. */
  #checkOwed({ id }: JobRecord, verb: string): void {
    const owed = this.#owed.get(id);
    if (!owed) return;
    const since = Math.max(owed.at, this.#world.troubleAt, this.#hostSince);
    if (this.#world.time - since > FOLLOWED_WITHIN_MS)
      this.#say(`${id} ${verb}, and ${owed.by} should have ended it`);
  }

  /** True for a job that was made and is not removed. */
  #isThere(id: string): boolean {
    return this.#states.has(id) && !this.#gone.has(id);
  }

  #endsChildren(id: string): boolean {
    const state = this.#states.get(id);
    return state === "cancelled" || (state === "failed" && this.#childPolicies.get(id) === "cancel");
  }

  #owe(ids: Iterable<string>, by: string): void {
    for (const id of ids) {
      const state = this.#states.get(id);
      if (state && !isFinished(state) && !this.#owed.has(id))
        this.#owed.set(id, { at: this.#world.time, by });
    }
  }

  #childrenOf(id: string): Iterable<string> {
    return this.#children.get(id) ?? [];
  }

  /** True while a job has children that have not ended. */
  hasOpenChildren(id: string): boolean {
    return [...this.#childrenOf(id)].some((child) => !isFinished(this.#states.get(child) ?? "completed"));
  }

  #say(message: string): void {
    this.#world.violate("promise 11", message);
  }
}

function setOf(sets: Map<string, Set<string>>, key: string): Set<string> {
  const known = sets.get(key) ?? new Set<string>();
  sets.set(key, known);
  return known;
}
