/**
 * Load: a client that enqueues all the time, whatever happens to the host, and
 * writes down what was acknowledged, by ids of its own. An acknowledgement that
 * never came says nothing: the job may be there or not. Such a batch is sent
 * again or given up, and what was given up must be there whole or not at all.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./host.ts";

export interface LoadOptions {
  random: () => number;
  /** Handlers to enqueue for, the first more often than the others. */
  handlers: readonly string[];
  jobsPerSecond: number;
  /** The longest that a job takes. */
  jobMs: number;
}

interface Batch {
  jobs: { id: string; handler: string; payload: { ms: number } }[];
}

const BATCH_JOBS = 10;
const BATCHES_IN_FLIGHT_MAX = 8; // A host that is slow gets no more, as from any client that waits for its answers.
const DOWN_PAUSE_MS = 50; // Between tries while nobody answers.

export class Load {
  readonly #place: Place;
  readonly #options: LoadOptions;
  readonly #path: string;
  readonly #givenUp: Batch[] = [];
  #again: Batch[] = [];
  #batches = 0;
  #isDown = false;

  constructor(place: Place, options: LoadOptions) {
    this.#place = place;
    this.#options = options;
    this.#path = join(place.home, "acknowledged");
    appendFileSync(this.#path, "");
  }

  /** Ids of all jobs that the host has said it has. */
  acknowledged(): string[] {
    return readFileSync(this.#path, "utf8").split("\n").slice(0, -1);
  }

  /** Ids of batches that were never acknowledged, and not sent again. */
  givenUp(): string[][] {
    return this.#givenUp.map(({ jobs }) => jobs.map(({ id }) => id));
  }

  /** Enqueues until `stop`; resolves when nothing is under way. */
  async run(stop: AbortSignal): Promise<void> {
    const everyMs = (BATCH_JOBS * 1_000) / this.#options.jobsPerSecond;
    const flying = new Set<Promise<void>>();
    for (let due = performance.now(); !stop.aborted; due += everyMs) {
      if (this.#isDown) due = performance.now() + DOWN_PAUSE_MS;
      await Bun.sleep(Math.max(0, due - performance.now()));
      const sending = this.#send(this.#again.shift() ?? this.#newBatch()).finally(() =>
        flying.delete(sending),
      );
      flying.add(sending);
      if (flying.size >= BATCHES_IN_FLIGHT_MAX) await Promise.race(flying);
    }
    await Promise.all(flying);
    this.#givenUp.push(...this.#again.splice(0));
  }

  async #send(batch: Batch): Promise<void> {
    try {
      // Both ways in: one job is a call of its own.
      const [only] = batch.jobs;
      if (batch.jobs.length === 1 && only) await this.#place.call("job.enqueue", only);
      else await this.#place.call("job.enqueueMany", batch);
      appendFileSync(this.#path, batch.jobs.map(({ id }) => `${id}\n`).join(""));
      this.#isDown = false;
    } catch {
      this.#isDown = true;
      (this.#options.random() < 0.5 ? this.#again : this.#givenUp).push(batch);
    }
  }

  #newBatch(): Batch {
    const { random, handlers, jobMs } = this.#options;
    const number = this.#batches++;
    const count = number % 10 === 0 ? 1 : BATCH_JOBS;
    const [usual = "", ...others] = handlers;
    const jobs = Array.from({ length: count }, (_, index) => ({
      id: `t${number}.${index}`,
      handler: random() < 0.8 ? usual : (others[Math.floor(random() * others.length)] ?? usual),
      payload: { ms: Math.floor(random() * jobMs) },
    }));
    return { jobs };
  }
}
