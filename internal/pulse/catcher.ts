/**
 * Catcher: brings watchers that are behind to the attestations that they have not come
 * to, as far as their rates allow. What they follow at once needs nobody: it becomes
 * jobs in the transaction that writes the attestation.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { WatcherStore } from "../store/watchers.ts";
import { Trouble } from "./trouble.ts";

export interface CatcherOptions {
  env: Env;
  log: Log;
  watchers: Pick<WatcherStore, "any" | "catchUp">;
  /** Jobs were made, most of them for later. */
  onBooked: () => void;
}

const LOOK_MS: Millis = 1_000; // A watcher that is behind has a minute of jobs before it.
const IDLE_MS: Millis = 10_000; // Whoever is the first watcher has a minute, too.
const ATTESTATIONS_PER_STEP = 500; // Some milliseconds, then others have their turn.

export class Catcher implements Service {
  readonly name = "catcher";
  readonly #options: CatcherOptions;
  readonly #trouble: Trouble;

  constructor(options: CatcherOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
  }

  async run({ stop }: StopSignals): Promise<void> {
    const { env, watchers } = this.#options;
    while (!stop.aborted) {
      if (watchers.any) await this.#look();
      await sleep(env, watchers.any ? LOOK_MS : IDLE_MS, stop);
    }
  }

  async #look(): Promise<void> {
    const { watchers, onBooked } = this.#options;
    try {
      for (let more = true; more;) {
        const step = await watchers.catchUp(ATTESTATIONS_PER_STEP);
        if (step.made > 0) onBooked();
        more = step.more;
      }
      this.#trouble.over("watchers catch up again");
    } catch (error) {
      this.#trouble.failed("watchers could not catch up; trying again", error);
    }
  }
}
