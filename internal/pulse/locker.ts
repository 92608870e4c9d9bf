/**
 * Locker: asks the lock provider for every occurrence that waits for its lock, and
 * records the answer. It asks in the name of this node, so that a host that was killed
 * between the answer and its record asks again and is given the same lock. A lock
 * is never given back: it runs out when nobody can start the occurrence any more.
 *
 * A provider that answers nothing is asked again after a pause that doubles; one answer
 * ends the pause, since a question may be lost on a busy machine. Trouble is said once
 * when it begins and once when it is over, and on the rows that have waited longest.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import { messageOf } from "../base/fault.ts";
import { aborted, type Service, type StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { EventKind } from "../event/event.ts";
import type { LockAnswer, LockProvider, LockWait } from "../store/locks.ts";
import type { EventStore } from "../store/events.ts";
import type { Fired, ScheduleStore } from "../store/schedules.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { Trouble } from "./trouble.ts";

export interface LockerOptions {
  env: Env;
  log: Log;
  schedules: Pick<ScheduleStore, "lockWaits" | "noteLockWaits" | "lockAnswers">;
  events: Pick<EventStore, "add">;
  /** Who asks. */
  nodeId: string;
  clock: ClockGuard;
  /** What the provider is called: a plugin's name, or "none". */
  name: string;
  provider: Pick<LockProvider, "tryLock">;
  /** Resolves when it may be asked for the first time. */
  ready(): Promise<void>;
  /** Told of jobs that were made, and of runs that must end for them. */
  onFired: (fired: Fired) => void;
}

const NAP_MS: Millis = 1_000;
const WAITS_PER_LOOK = 1_000;
const ASKS_MAX = 256; // At once: a server answers them together, and a plugin holds them without trouble.
const AGAIN_MS: Millis = 500; // Before a question that failed is asked again, while others are answered.
const PAUSE_FIRST_MS: Millis = 100;
const PAUSE_MAX_MS: Millis = 5_000;
const CALM_MS: Millis = 2_000; // Without an error for so long, and with an answer, it is over.

export class Locker implements Service {
  readonly name = "locker";
  readonly #options: LockerOptions;
  readonly #trouble: Trouble;
  readonly #asks = new Map<string, Promise<void>>();
  #wake = new AbortController();
  #troubleText: string | null = null;
  #failedAt: Millis = 0;
  #pauseMs: Millis = 0;

  constructor(options: LockerOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
  }

  /** What is wrong with the provider; null when nothing is. */
  get trouble(): string | null {
    return this.#troubleText;
  }

  /** Says that an occurrence may wait for its lock. */
  nudge(): void {
    this.#wake.abort();
  }

  /** Asks until `stop`, and waits for the answers that are on their way. */
  async run({ stop }: StopSignals): Promise<void> {
    const { env, ready, clock } = this.#options;
    await Promise.race([ready(), aborted(stop)]);
    while (!stop.aborted) {
      this.#wake = new AbortController();
      const left = this.#pauseLeft;
      if (left <= 0 && clock.look()) await this.#look(stop);
      if (left > 0) await sleep(env, left, stop);
      else await sleep(env, NAP_MS, AbortSignal.any([stop, this.#wake.signal]));
    }
    await Promise.all(this.#asks.values());
  }

  get #pauseLeft(): Millis {
    return this.#pauseMs === 0 ? 0 : this.#failedAt + this.#pauseMs - this.#options.env.mono();
  }

  /** Asks for all that wait and are not asked for yet. */
  async #look(stop: AbortSignal): Promise<void> {
    const { schedules } = this.#options;
    try {
      for (const wait of await schedules.lockWaits(WAITS_PER_LOOK)) {
        if (this.#asks.size >= ASKS_MAX) return;
        if (!this.#asks.has(wait.key)) this.#begin(wait, stop);
      }
    } catch (error) {
      this.#trouble.failed("occurrences that wait for their locks could not be read; trying again", error);
    }
  }

  #begin(wait: LockWait, stop: AbortSignal): void {
    const asking = this.#ask(wait, stop).finally(() => {
      this.#asks.delete(wait.key);
      if (this.#asks.size < ASKS_MAX / 2) this.nudge(); // There is room for more of those that wait.
    });
    this.#asks.set(wait.key, asking);
  }

  async #ask(wait: LockWait, stop: AbortSignal): Promise<void> {
    const { env, provider, nodeId } = this.#options;
    let answer: LockAnswer;
    try {
      answer = await provider.tryLock({ key: wait.key, ttlMs: wait.ttlMs, holder: nodeId });
    } catch (error) {
      await this.#failed(messageOf(error));
      return sleep(env, AGAIN_MS, stop);
    }
    this.#pauseMs = 0;
    await this.#record(wait, answer);
    await this.#worked();
  }

  async #record({ scheduleId, node, occurrence }: LockWait, answer: LockAnswer): Promise<void> {
    const { schedules, onFired, clock } = this.#options;
    // Recording accounts for everything up to now. It waits on, and is asked for again.
    if (!clock.look()) return;
    const otherNode = this.#otherNode(answer);
    try {
      onFired(await schedules.lockAnswers([{ scheduleId, node, occurrence, otherNode }]));
    } catch (error) {
      this.#trouble.failed("the answer of the lock provider could not be recorded; asking again", error);
    }
  }

  /** Who has the lock, when that is not this node. A provider that does not give it to its holder again says that we have it. */
  #otherNode(answer: LockAnswer): string | null {
    if ("handle" in answer || answer.contention.holder === this.#options.nodeId) return null;
    const { holder } = answer.contention;
    const who = holder === null ? "another node" : `node ${holder}`;
    return `${who} has its lock (${this.#options.name})`;
  }

  /** The first failure after a pause makes the next pause longer; those that come with it are the same one. */
  async #failed(reason: string): Promise<void> {
    const { env, name, schedules } = this.#options;
    const says = name === "none" ? reason : `${name} says: ${reason}`;
    if (this.#pauseLeft > 0) return;
    this.#failedAt = env.mono();
    this.#pauseMs = Math.min(PAUSE_MAX_MS, Math.max(PAUSE_FIRST_MS, this.#pauseMs * 2));
    const begins = this.#troubleText === null;
    this.#troubleText = reason;
    this.#trouble.failed("schedules that need a lock wait", says);
    try {
      await schedules.noteLockWaits(says);
    } catch (error) {
      this.#trouble.failed("why occurrences wait for their locks could not be noted", error);
    }
    if (begins) await this.#say("locks.failed", `Schedules that need a lock wait: ${says}.`);
  }

  async #worked(): Promise<void> {
    const { env, name } = this.#options;
    if (this.#troubleText === null || env.mono() < this.#failedAt + CALM_MS) return;
    this.#troubleText = null;
    this.#trouble.over("locks are given again");
    await this.#say("locks.recovered", `${name} gives locks again; schedules go on.`);
  }

  /** An event that cannot be written must not hold up the schedules. */
  async #say(kind: EventKind, message: string): Promise<void> {
    const { events, log, name } = this.#options;
    try {
      await events.add({ kind, subject: name, message, data: {} });
    } catch (error) {
      log.error("an event could not be written", { event: kind, error: messageOf(error) });
    }
  }
}

/** Stands for the provider where the configuration says that there is none: nothing that needs a lock can run. */
export const NO_LOCKS: LockProvider = {
  tryLock: () => Promise.reject(noLocks()),
  renew: () => Promise.reject(noLocks()),
  release: () => Promise.reject(noLocks()),
};

function noLocks(): Error {
  return new Error('[locks] provider is "none", so nobody can say which node runs it');
}
