/**
 * Width: how many jobs at once a plugin of QNTX is given. It cannot say, and many
 * answer one call after the other: a second job would wait inside the plugin while
 * its time runs, and nobody could tell that it has not begun.
 *
 * So each starts with one. Who answers a job quickly, or answers Health while a job
 * runs, is given more; who answers nothing until a longer job has ended is given one
 * after the other, until Health says otherwise.
 */
import { status } from "@grpc/grpc-js";
import type { Env, Millis } from "../base/env.ts";
import type { Connection } from "./connection.ts";
import { orNothing } from "./patience.ts";

const QUICK_MS: Millis = 50; // What waits behind such a job does not wait long.

export interface WidthOptions {
  /** Jobs at once of one that is found able. */
  jobsMax: number;
  /** Asks the plugin something else. True when it answers. */
  ask(): Promise<boolean>;
}

export class Width {
  readonly #env: Env;
  readonly #options: WidthOptions;
  #jobs = 1;
  #inOrder = false;
  #watching = false;

  constructor(env: Env, options: WidthOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Jobs that it may be given at once. */
  get jobs(): number {
    return this.#jobs;
  }

  /** Learns from a job that was just sent; `job` settles when it is answered. One at a time is enough. */
  async watch(job: Promise<unknown>): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    const ended = job.then(() => false);
    const isQuick = (await orNothing(this.#env, QUICK_MS, ended)) !== undefined;
    if (!isQuick) this.#inOrder = !(await Promise.race([this.#options.ask(), ended]));
    this.#jobs = this.#inOrder ? 1 : this.#options.jobsMax;
    this.#watching = false;
  }
}

/** True when the plugin answers Health within the limit, whatever it says. */
export async function answersHealth(connection: Connection, limitMs: Millis): Promise<boolean> {
  const answer = await connection.health(limitMs);
  return answer.ok || answer.code !== status.DEADLINE_EXCEEDED;
}
