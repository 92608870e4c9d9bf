/**
 * Follower: does what the end of a job means for others, in steps of some
 * milliseconds: jobs that waited for it start, or fail with it; children of a
 * cancelled one are cancelled. What it has not done yet is on disk.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { FlowStore } from "../store/flows.ts";
import { Trouble } from "./trouble.ts";

export interface FollowerOptions {
  env: Env;
  log: Log;
  flows: FlowStore;
  napMs: Millis;
  /** Running jobs must end. */
  onStopped: (jobIds: readonly string[]) => void;
  /** Jobs may be due that waited. */
  onReleased: () => void;
}

const JOBS_PER_STEP = 500; // One transaction of some milliseconds.
const PAUSE_MS: Millis = 1; // Between two steps others have their turn.

export class Follower implements Service {
  readonly name = "follower";
  readonly #options: FollowerOptions;
  readonly #trouble: Trouble;
  #wake = new AbortController();

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
    options.flows.onWork(() => this.#wake.abort());
  }

  async run({ stop }: StopSignals): Promise<void> {
    const { env, napMs } = this.#options;
    while (!stop.aborted) {
      this.#wake = new AbortController(); // Before looking, so that no wake-up is lost.
      const more = await this.#step();
      if (more) await sleep(env, PAUSE_MS, stop);
      else await sleep(env, napMs, AbortSignal.any([stop, this.#wake.signal]));
    }
  }

  async #step(): Promise<boolean> {
    const { flows, onStopped, onReleased } = this.#options;
    try {
      const { stopped, released, more } = await flows.step(JOBS_PER_STEP);
      this.#trouble.over("ends of jobs are followed again");
      if (stopped.length > 0) onStopped(stopped);
      if (released) onReleased();
      return more;
    } catch (error) {
      this.#trouble.failed("the ends of jobs could not be followed; trying again", error);
      return false;
    }
  }
}
