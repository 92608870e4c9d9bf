/**
 * Judge: looks at runs whose time is over and that have not done what their schedule
 * wants of them: started, succeeded. What it finds becomes an event, once, with the
 * reason that only a running host knows: why a job that is queued does not run.
 *
 * Runs that end are judged where they end. This is for those that do not.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { ObjectiveStore } from "../store/objectives.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { Trouble } from "./trouble.ts";

export interface JudgeOptions {
  env: Env;
  log: Log;
  objectives: ObjectiveStore;
  nodeId: string;
  clock: ClockGuard;
  napMs: Millis;
  /** Says why no job of a lane runs; null when some do, or nobody knows. */
  waits: (lane: string) => Promise<string | null>;
}

const RUNS_PER_STEP = 200; // Some statements and an event each: a few milliseconds.

export class Judge implements Service {
  readonly name = "judge";
  readonly #options: JudgeOptions;
  readonly #trouble: Trouble;

  constructor(options: JudgeOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
  }

  /** Judges until `stop`. */
  async run({ stop }: StopSignals): Promise<void> {
    const { env, clock, napMs } = this.#options;
    while (!stop.aborted) {
      const nextDueAt = clock.look() ? await this.#step() : null;
      const leftMs = (nextDueAt ?? Number.POSITIVE_INFINITY) - env.now();
      await sleep(env, Math.max(PAUSE_MS, Math.min(napMs, leftMs)), stop);
    }
  }

  /** Judges one batch. Returns when there is something to do again. */
  async #step(): Promise<Millis | null> {
    const { objectives, nodeId, waits } = this.#options;
    try {
      const due = await objectives.due(nodeId, RUNS_PER_STEP);
      const judged = await Promise.all(
        due.map(async ({ queuedIn, ...run }) => ({
          ...run,
          waiting: queuedIn === null ? null : await waits(queuedIn),
        })),
      );
      if (judged.length > 0) await objectives.judge(judged);
      this.#trouble.over("objectives are judged again");
      return await objectives.nextDueAt(nodeId);
    } catch (error) {
      this.#trouble.failed("objectives could not be judged; trying again", error);
      return null;
    }
  }
}

const PAUSE_MS: Millis = 1; // Between two batches others have their turn.
