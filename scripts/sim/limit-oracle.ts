/**
 * Limit oracle: no claim takes a job of a paused handler, more jobs of a key than its
 * handler allows, or more in a time than its rate. It counts what is held by the journal,
 * and keeps buckets of its own by the time of the world, which no crash empties or fills.
 */
import type { Millis } from "../../internal/base/env.ts";
import { handlerOfLane } from "../../internal/job/lane.ts";
import type { JobFollower } from "./job-oracle.ts";
import type { JobRecord, LimitRecord } from "./journal.ts";
import type { World } from "./world.ts";

/** What the jobs of a key are doing. */
interface Places {
  handler: string;
  running: number;
  /** Queued, with a place. */
  placed: number;
  /** Queued, and told to wait. */
  crowded: number;
}

/** How many may start: what is surely left of a rate, and what may be left at the most. They differ behind a change. */
interface Bucket {
  least: number;
  most: number;
  at: Millis;
}

const LOOK_MS: Millis = 2_500; // What a clock that was set has spoilt is put right by the next claim, which may be a poll later.
const ROUNDING_MS: Millis = 2; // The clock on the wall has whole milliseconds.

export class LimitOracle implements JobFollower {
  readonly #world: World;
  readonly #limits = new Map<string, LimitRecord>();
  readonly #paused = new Set<string>();
  readonly #places = new Map<string, Places>();
  readonly #buckets = new Map<string, Bucket>();
  /** Claimed since the last look. */
  readonly #claimed = new Map<string, JobRecord>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Keys of which somebody was told to wait although there is room. */
  *freeKeys(): Generator<string> {
    for (const [key, places] of this.#places) {
      const taken = places.running + places.placed;
      if (places.crowded > 0 && taken < this.#perKey(places.handler)) yield key;
    }
  }

  /** True when the jobs of a lane wait for somebody to resume their handler. */
  isPaused(lane: string): boolean {
    return this.#paused.has(lane) || this.#paused.has(handlerOfLane(lane));
  }

  /** True when the rate of a lane's handler lets one start. */
  maySoonStart(lane: string): boolean {
    const limit = this.#limits.get(handlerOfLane(lane));
    return !limit || (this.#bucketOf(limit)?.least ?? 1) >= 1;
  }

  /** The limits of a handler are written. */
  limit(row: LimitRecord): void {
    const before = this.#limits.get(row.handler);
    this.#limits.set(row.handler, row);
    const same = before?.rateCount === row.rateCount && before?.rateMs === row.rateMs;
    if (!same || before?.burst !== row.burst) this.#buckets.delete(row.handler);
  }

  /** Somebody paused or resumed a handler. */
  pause(handler: string, isPaused: boolean): void {
    if (isPaused) this.#paused.add(handler);
    else this.#paused.delete(handler);
  }

  /** What people and plugins paused. */
  get paused(): readonly string[] {
    return [...this.#paused];
  }

  /** Somebody set the clock: by a rate, time has passed. */
  clockSet(): void {
    this.#buckets.clear();
  }

  claimed(job: JobRecord): void {
    if (this.isPaused(job.lane))
      this.#world.violate("promise 9", `${job.id} was claimed, and its handler is paused`);
    this.#claimed.set(job.id, job);
  }

  made(job: JobRecord): void {
    this.#count(job, 1);
  }

  changed(before: JobRecord, after: JobRecord): void {
    this.#count(before, -1);
    this.#count(after, 1);
    if (after.state !== "running" && this.#claimed.get(after.id)?.fence === after.fence && after.crowded)
      this.#claimed.delete(after.id); // It met a limit that was lowered, and went back at once.
  }

  endBatch(): void {
    for (const job of this.#claimed.values()) {
      this.#checkKey(job);
      this.#spend(job);
    }
    this.#claimed.clear();
  }

  #checkKey({ id, handler, concurrencyKey }: JobRecord): void {
    if (concurrencyKey === null) return;
    const running = this.#places.get(`${handler} ${concurrencyKey}`)?.running ?? 0;
    const limit = this.#perKey(handler);
    if (running > limit)
      this.#world.violate("promise 9", `${id} is job ${running} of ${concurrencyKey}; ${limit} may run`);
  }

  #spend({ id, handler }: JobRecord): void {
    const limit = this.#limits.get(handler);
    const bucket = limit && this.#bucketOf(limit);
    if (!bucket || !limit?.rateCount || !limit.rateMs) return;
    bucket.most -= 1;
    bucket.least = Math.min(bucket.least, Math.max(0, bucket.least - 1));
    const spared = -(ROUNDING_MS * limit.rateCount) / limit.rateMs;
    if (bucket.most < spared)
      this.#world.violate("promise 9", `${id} started too early by ${-bucket.most} of ${handler}'s rate`);
  }

  /** The bucket as it is now; undefined without a rate. */
  #bucketOf({ handler, rateCount, rateMs, burst }: LimitRecord): Bucket | undefined {
    if (rateCount === null || rateMs === null) return undefined;
    const size = burst ?? Math.max(1, Math.floor((rateCount * 100) / rateMs));
    const { time, drift } = this.#world;
    const known = this.#buckets.get(handler) ?? {
      least: -(LOOK_MS * rateCount) / rateMs,
      most: size,
      at: time,
    };
    const earned = ((time - known.at) * (1 + drift) * rateCount) / rateMs;
    const [least, most] = [Math.min(size, known.least + earned), Math.min(size, known.most + earned)];
    const bucket = { least, most, at: time };
    this.#buckets.set(handler, bucket);
    return bucket;
  }

  #perKey(handler: string): number {
    return this.#limits.get(handler)?.perKey ?? 1;
  }

  #count({ handler, concurrencyKey, state, crowded }: JobRecord, by: 1 | -1): void {
    if (concurrencyKey === null) return;
    const key = `${handler} ${concurrencyKey}`;
    const places = this.#places.get(key) ?? { handler, running: 0, placed: 0, crowded: 0 };
    this.#places.set(key, places);
    if (state === "running") places.running += by;
    else if (state === "queued" && crowded === 1) places.crowded += by;
    else if (state === "queued") places.placed += by;
  }
}
