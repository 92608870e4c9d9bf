/**
 * Reconciler: sets right what nobody would look after again. The core leaves nothing
 * of that kind behind; a hand in the database does, and so does a fault of our own.
 * A look costs what is wrong, not what exists, so it looks often.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { LedgerStore } from "../store/ledger.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { Trouble } from "./trouble.ts";

export interface ReconcilerOptions {
  env: Env;
  log: Log;
  ledger: Pick<LedgerStore, "repair">;
  clock: ClockGuard;
  /** Told that schedules and jobs have changed behind the back of who waits for them. */
  onRepaired: () => void;
}

const LOOK_MS: Millis = 120_000; // Long enough to cost nothing, short enough that nobody calls us.
const REPAIRS_PER_STEP = 100; // One transaction of some milliseconds.
const BETWEEN_STEPS_MS: Millis = 20; // Others have their turn.

export class Reconciler implements Service {
  readonly name = "reconciler";
  readonly #options: ReconcilerOptions;
  readonly #trouble: Trouble;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
  }

  async run({ stop }: StopSignals): Promise<void> {
    const { env, clock } = this.#options;
    while (!stop.aborted) {
      const repaired = clock.look() ? await this.#step() : 0;
      await sleep(env, repaired > 0 ? BETWEEN_STEPS_MS : LOOK_MS, stop);
    }
  }

  /** Repairs a batch. Returns how many things were wrong. */
  async #step(): Promise<number> {
    const { log, ledger, onRepaired } = this.#options;
    try {
      const repaired = await ledger.repair(REPAIRS_PER_STEP);
      this.#trouble.over("the ledger is looked after again");
      for (const { damage, sentence } of repaired) log.warn(sentence, { damage: damage.kind });
      if (repaired.length > 0) onRepaired();
      return repaired.length;
    } catch (error) {
      this.#trouble.failed("the ledger could not be looked after; trying again", error);
      return 0;
    }
  }
}
