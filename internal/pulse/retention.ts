/**
 * Retention: removes what is older than somebody wants to keep it, in steps of some
 * milliseconds, so that nobody notices. Each kind of row has one verb of its store;
 * what may not go, however old, is that verb's business.
 *
 * What it removes is gone for good, so it trusts the wall clock less than others do: a
 * host that has run for an hour ages nothing by years, whatever somebody sets.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { Pruned, PruneRequest } from "../store/prune.ts";
import type { Store } from "../store/store.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { Trouble } from "./trouble.ts";

/** One kind of row, and how long it is kept. */
export interface Kept {
  name: string;
  keepMs: Millis;
  /** Removes some of what is older than `before`. */
  prune(request: PruneRequest): Promise<Pruned>;
}

/** Of finished jobs, how long and how many of the newest are kept; cancelled ones as failed ones. */
export interface JobRetention {
  completedMs: Millis;
  completedMax: number;
  failedMs: Millis;
  failedMax: number;
}

/** How long what is kept. */
export interface RetentionTimes {
  /** Absent: for ever. */
  jobs?: JobRetention;
  ledgerMs: Millis;
  auditMs: Millis;
  eventsMs: Millis;
}

const ROUND_MS: Millis = 3_600_000; // A row is at most an hour older than it should be.
const BETWEEN_STEPS_MS: Millis = 25; // Steps of some milliseconds: others have four fifths of the time.
const AHEAD_MAX_MS: Millis = 86_400_000; // What the wall clock may gain on the monotonic one: a night's sleep, not a wrong year.
const BOOTS_MS: Millis = 86_400_000; // A boot that is dead for a day holds nothing that anybody waits for.

/** Everything that is removed some day. */
export function keptOf(store: Store, times: RetentionTimes): Kept[] {
  const { ledger, audit, events, nodes, storage } = store;
  const { ledgerMs, auditMs, eventsMs } = times;
  return [
    ...(times.jobs ? jobsKept(store, times.jobs, ledgerMs) : []),
    { name: "ledger", keepMs: ledgerMs, prune: (request) => ledger.prune(request) },
    { name: "definitions", keepMs: ledgerMs, prune: (request) => ledger.pruneDefinitions(request) },
    { name: "audit", keepMs: auditMs, prune: (request) => audit.prune(request) },
    { name: "events", keepMs: eventsMs, prune: (request) => events.prune(request) },
    { name: "boots", keepMs: BOOTS_MS, prune: (request) => nodes.prune(request) },
    { name: "storage", keepMs: 0, prune: (request) => storage.prune(request) },
  ];
}

/** Before the ledger: its rows stay as long as their jobs do. */
function jobsKept({ jobs }: Store, times: JobRetention, ledgerMs: Millis): Kept[] {
  const { completedMs, completedMax, failedMs, failedMax } = times;
  const kinds = [
    { state: "completed", keepMs: completedMs, newest: completedMax },
    { state: "failed", keepMs: failedMs, newest: failedMax },
    { state: "cancelled", keepMs: failedMs, newest: failedMax },
  ] as const;
  return kinds.map(({ state, keepMs, newest }) => ({
    name: `${state} jobs`,
    keepMs,
    prune: ({ before, cursor }) => {
      const backfillsBefore = before + keepMs - Math.max(keepMs, ledgerMs);
      return jobs.prune({ state, before, backfillsBefore, newest, cursor });
    },
  }));
}

export interface RetentionOptions {
  env: Env;
  log: Log;
  clock: ClockGuard;
  kept: readonly Kept[];
}

export class Retention implements Service {
  readonly name = "retention";
  readonly #options: RetentionOptions;
  readonly #trouble: Trouble;
  /** What the wall clock was ahead of the monotonic one when we began. */
  readonly #ahead: Millis;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#ahead = options.env.now() - options.env.mono();
    this.#trouble = new Trouble(options.log);
  }

  async run({ stop }: StopSignals): Promise<void> {
    const { env, kept } = this.#options;
    while (!stop.aborted) {
      for (const kind of kept) await this.#prune(kind, stop);
      await sleep(env, ROUND_MS, stop);
    }
  }

  /** Removes all that is too old of one kind. By a clock that is not believed, nothing is. */
  async #prune({ name, keepMs, prune }: Kept, stop: AbortSignal): Promise<void> {
    const { env, log, clock } = this.#options;
    const before = Math.min(env.now(), env.mono() + this.#ahead + AHEAD_MAX_MS) - keepMs;
    let removed = 0;
    try {
      for (let cursor: string | null | undefined; cursor !== null && !stop.aborted && clock.look();) {
        const step: Pruned = await prune({ before, cursor });
        removed += step.removed;
        cursor = step.cursor;
        if (cursor !== null) await sleep(env, BETWEEN_STEPS_MS, stop);
      }
      this.#trouble.over("what is too old is removed again");
    } catch (error) {
      this.#trouble.failed("what is too old could not be removed; trying again in an hour", error);
    }
    if (removed > 0) log.info("what was too old is removed", { of: name, rows: removed });
  }
}
