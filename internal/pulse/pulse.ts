/**
 * Pulse: the parts that make jobs run on time, and how they wake each other.
 *
 *   schedule made or changed ──► ticker ──┐
 *   job enqueued for later ──► promoter ──┼──► worker ──► executors (plugins)
 *   job enqueued for now ─────────────────┘
 *
 * Where locks are kept elsewhere, the locker stands between ticker and worker.
 * A run that ends wakes the ticker, because the next occurrence may wait for it.
 * The judge stands aside: it says which runs have not done what was wanted of them.
 * The ticker and the promoter run from the start; the worker only once the
 * registry has seen its first step, so that no job meets a half-built one.
 */
import type { Env, Millis } from "../base/env.ts";
import { newId } from "../base/id.ts";
import type { Service } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import { JOB_TIMEOUT_DEFAULT_MS } from "../job/job.ts";
import { configuredBudget } from "../plugin/budget.ts";
import type { HandlerLimits } from "../store/limits.ts";
import type { FlowStore } from "../store/flows.ts";
import type { LockProvider } from "../store/locks.ts";
import type { Fired } from "../store/schedules.ts";
import type { Store } from "../store/store.ts";
import { Caretaker } from "./caretaker.ts";
import { Catcher } from "./catcher.ts";
import { ClockGuard } from "./clock-guard.ts";
import { Follower } from "./follower.ts";
import { Judge } from "./judge.ts";
import { Limiter } from "./limiter.ts";
import { Locker } from "./locker.ts";
import { Opener } from "./opener.ts";
import { Promoter } from "./promoter.ts";
import { Reconciler } from "./reconciler.ts";
import { type ConfiguredLimits, Registry } from "./registry.ts";
import { keptOf, Retention, type RetentionTimes } from "./retention.ts";
import { Ticker } from "./ticker.ts";
import { Worker } from "./worker.ts";

export interface PulseOptions {
  env: Env;
  log: Log;
  store: Store;
  nodeId: string;
  /** The newest time that an earlier boot recorded; absent when there is none. */
  lastSeenAt?: Millis | null;
  version: string;
  napMs: Millis;
  jobsMax: number;
  /** Who keeps the locks of occurrences; absent, or called "store": nobody has to be asked. */
  locks?: { name: string; provider: LockProvider; ready(): Promise<void> };
  /** Why no job of a lane runs; null when some do. Absent: nobody knows. */
  waits?: (lane: string) => Promise<string | null>;
  /** Limits of handlers: what the configuration says over their plugins, and what the store knows of earlier boots. */
  limits?: { configured: readonly ConfiguredLimits[]; known: readonly HandlerLimits[] };
  /** How long old rows are kept; absent: for ever. */
  retention?: RetentionTimes;
  /** How long a job may run where neither it nor its handler says; absent: five minutes. */
  runMs?: Millis;
}

export class Pulse {
  readonly bootId: string;
  readonly registry: Registry;
  readonly clock: ClockGuard;
  readonly #ticker: Ticker;
  readonly #promoter: Promoter;
  readonly #worker: Worker;
  readonly #caretaker: Caretaker;
  readonly #judge: Judge;
  readonly #follower: Follower;
  readonly #reconciler: Reconciler;
  readonly #retention: Retention;
  readonly #locker: Locker | null;
  readonly #opener: Opener;
  readonly #catcher: Catcher;

  constructor(options: PulseOptions) {
    const { env, log, store, nodeId, version, napMs, jobsMax, locks, retention } = options;
    const { events, jobs, ledger, logs, nodes, objectives, schedules } = store;
    this.registry = this.#limitedRegistry(options);
    const { registry } = this;
    const bootId = newId(env, "BT");
    const onDelayed = () => this.#promoter.nudge();
    const onRunEnd = () => this.#ticker.nudge();
    const budget = configuredBudget("run", options.runMs ?? JOB_TIMEOUT_DEFAULT_MS);
    this.bootId = bootId;
    this.clock = new ClockGuard(env, options.lastSeenAt ?? null);
    const { clock } = this;
    const time = { env, log, clock, napMs };
    this.#worker = new Worker({
      ...time,
      jobs,
      logs,
      limits: store.limits,
      registry,
      bootId,
      jobsMax,
      budget,
      onDelayed,
      onRunEnd,
    });
    this.#ticker = new Ticker({
      ...time,
      schedules,
      events,
      nodeId,
      onDelayed,
      onStopped: (jobIds) => this.#stopped(jobIds),
      onAsked: () => this.#locker?.nudge(),
    });
    const onFired = (fired: Fired) => this.#locked(fired, env.now());
    const asks = locks !== undefined && locks.name !== "store";
    this.#locker = asks ? new Locker({ ...time, schedules, events, nodeId, ...locks, onFired }) : null;
    const waits = options.waits ?? (async () => null);
    this.#judge = new Judge({ ...time, objectives, nodeId, waits });
    this.#promoter = new Promoter({ env, log, jobs, clock, napMs });
    this.#follower = this.#makeFollower(time, store.flows);
    this.#opener = new Opener({ env, log, budgets: store.budgets, onOpen: () => this.#worker.nudge() });
    const { watchers } = store;
    this.#catcher = new Catcher({ env, log, watchers, onBooked: onDelayed });
    const onRepaired = () => this.schedulesChanged();
    this.#reconciler = new Reconciler({ env, log, ledger, clock, onRepaired });
    this.#retention = new Retention({ env, log, clock, kept: retention ? keptOf(store, retention) : [] });
    const holding = () => this.#worker.ended;
    this.#caretaker = new Caretaker({
      env,
      log,
      jobs,
      nodes,
      bootId,
      nodeId,
      version,
      clock,
      holding,
    });
  }

  /** A registry that tells the store of limits. */
  #limitedRegistry({ env, log, store, limits }: PulseOptions): Registry {
    const onSet = () => this.#worker.nudge();
    const limiter = new Limiter({ env, log, limits: store.limits, known: limits?.known ?? [], onSet });
    return new Registry({
      configured: limits?.configured ?? [],
      onChange: (lanes) => limiter.changed(lanes),
    });
  }

  #makeFollower(time: Pick<PulseOptions, "env" | "log" | "napMs">, flows: FlowStore): Follower {
    const onStopped = (jobIds: readonly string[]) => this.#stopped(jobIds);
    return new Follower({ ...time, flows, onStopped, onReleased: () => this.#promoter.nudge() });
  }

  /** Runs must end, because a later occurrence takes their place. */
  #stopped(jobIds: readonly string[]): void {
    for (const id of jobIds) this.#worker.cancel(id);
    this.#promoter.nudge();
  }

  /** Occurrences have their locks. */
  #locked({ delayed, stopped, asked, nextDueAt }: Fired, now: Millis): void {
    if (nextDueAt !== null && nextDueAt <= now) this.#ticker.nudge(); // One that took the place of another may start.
    if (delayed) this.#promoter.nudge();
    if (stopped.length > 0) this.#stopped(stopped);
    if (asked > 0) this.#locker?.nudge();
  }

  /** What runs from the start: occurrences are recorded on time, whatever plugins do. */
  get early(): readonly Service[] {
    const punctual = [
      this.#caretaker,
      this.#ticker,
      this.#promoter,
      this.#follower,
      this.#opener,
      this.#catcher,
      this.#judge,
    ];
    const tidy = [this.#reconciler, this.#retention];
    return this.#locker ? [...punctual, this.#locker, ...tidy] : [...punctual, ...tidy];
  }

  /** What runs once plugins are registered. */
  get worker(): Service {
    return this.#worker;
  }

  /** Work may begin that could not before; what is written as due is found without. Without lanes: any may have some. */
  jobsAdded(lanes?: Iterable<string>): void {
    this.#worker.nudge(lanes);
  }

  /** Work was enqueued for later. */
  jobsDelayed(): void {
    this.#promoter.nudge();
  }

  /** A schedule was made or changed. What was due before the change may have become jobs by it. */
  schedulesChanged(): void {
    this.#ticker.nudge();
    this.#locker?.nudge();
    this.#worker.nudge();
  }

  /** What is wrong with who keeps the locks; null when nothing is. */
  get lockTrouble(): string | null {
    return this.#locker?.trouble ?? null;
  }

  /** Cancels a job that runs on this node. */
  cancel(jobId: string): boolean {
    return this.#worker.cancel(jobId);
  }

  running(plugin: string): number {
    return this.#worker.running(plugin);
  }
}
