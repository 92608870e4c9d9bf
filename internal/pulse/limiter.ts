/**
 * Limiter: tells the store which limits the handlers of this node have, as soon as
 * they are registered and before the worker asks for their jobs: writes are made in
 * the order in which they are asked for.
 */
import type { Env, Millis } from "../base/env.ts";
import type { Log } from "../base/log.ts";
import { handlerOfLane } from "../job/lane.ts";
import type { HandlerOptions } from "../plugin/plugin.ts";
import type { HandlerLimits, LimitStore } from "../store/limits.ts";
import type { Lane } from "./registry.ts";
import { Trouble } from "./trouble.ts";

export interface LimiterOptions {
  env: Env;
  log: Log;
  limits: Pick<LimitStore, "set">;
  /** What the store has from earlier boots. */
  known: readonly HandlerLimits[];
  /** Jobs may have room now. */
  onSet: (handler: string) => void;
}

const AGAIN_MS: Millis = 1_000; // After a write that failed.

export class Limiter {
  readonly #options: LimiterOptions;
  readonly #trouble: Trouble;
  /** What the store has from earlier boots, by handler. */
  readonly #known: ReadonlyMap<string, HandlerLimits>;
  /** What this one has written last. */
  readonly #written = new Map<string, HandlerLimits>();

  constructor(options: LimiterOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
    this.#known = new Map(options.known.map((limits) => [limits.handler, limits]));
  }

  /** Other handlers, or the same with other limits, are registered. */
  changed(lanes: Iterable<Lane>): void {
    for (const { name, options } of lanes) {
      if (name !== handlerOfLane(name)) continue; // Under its plugin's name it is the same handler.
      const wanted = limitsOf(name, options);
      if (this.#isNews(wanted)) void this.#set(wanted);
    }
  }

  /** Once in each boot, keys are looked through: one that died may not have let go all who have room. */
  #isNews(wanted: HandlerLimits): boolean {
    const written = this.#written.get(wanted.handler);
    if (written) return !equal(wanted, written);
    return wanted.perKey !== null || !equal(wanted, this.#known.get(wanted.handler));
  }

  async #set(wanted: HandlerLimits): Promise<void> {
    const { env, limits, onSet } = this.#options;
    this.#written.set(wanted.handler, wanted);
    try {
      await limits.set(wanted);
      this.#trouble.over("limits of handlers are written again");
      onSet(wanted.handler);
    } catch (error) {
      this.#trouble.failed("limits of handlers could not be written; trying again", error);
      env.after(AGAIN_MS, () => {
        if (this.#written.get(wanted.handler) === wanted) void this.#set(wanted);
      });
    }
  }
}

function limitsOf(handler: string, { concurrencyPerKey, rate, burst }: HandlerOptions): HandlerLimits {
  return { handler, perKey: concurrencyPerKey ?? null, rate: rate ?? null, burst: burst ?? null };
}

/** One that has no limits needs no row. */
function equal(wanted: HandlerLimits, written: HandlerLimits | undefined): boolean {
  return (
    wanted.perKey === (written?.perKey ?? null) &&
    wanted.rate?.count === written?.rate?.count &&
    wanted.rate?.perMs === written?.rate?.perMs &&
    (wanted.rate === null || wanted.burst === written?.burst)
  );
}
