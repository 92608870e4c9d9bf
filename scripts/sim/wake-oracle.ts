/**
 * Wake oracle: a queued job starts at once when its plugin has room and nothing holds it.
 * A wake-up that is lost only costs until the next poll, and nobody would see that it was
 * late; so the wait itself is measured, whenever nothing went wrong for a while.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { Lane } from "../../internal/pulse/registry.ts";
import { CHARACTERS } from "./characters.ts";
import type { JobRecord } from "./journal.ts";
import type { Scene } from "./scene.ts";

const SETTLED_AFTER_MS: Millis = 5_000; // The last fault may have left the worker in its pause.
const WAIT_MAX_MS: Millis = 250; // What users are promised of an idle host.

export class WakeOracle {
  readonly #scene: Scene;
  /** Since when a lane, or a key, has somebody who could go on. */
  readonly #freeSince = new Map<string, Millis>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Somebody of a lane has started. */
  claimed({ lane }: { lane: string }): void {
    this.#freeSince.delete(lane);
  }

  /** After every event. */
  checkTurn(): void {
    const { world, host, jobs, limits } = this.#scene;
    if (!host || world.time - world.troubleAt < SETTLED_AFTER_MS) return this.#freeSince.clear();
    for (const [name, queued] of jobs.queuedIn) {
      if (queued.size === 0) continue;
      const free = this.#freeIn(name, queued);
      this.#look(name, free.length > 0 ? WAIT_MAX_MS : null, () => `${free[0]?.id} waits in ${name}`);
    }
    const { registry } = host.pulse;
    const free = new Set([...limits.freeKeys()].filter((key) => registry.lane(key.split(" ")[0] ?? "")));
    for (const key of free) this.#look(`key ${key}`, WAIT_MAX_MS, () => `somebody waits for the key ${key}`);
    for (const key of this.#freeSince.keys())
      if (key.startsWith("key ") && !free.has(key.slice(4))) this.#freeSince.delete(key);
  }

  /** `waitMaxMs` is null where nobody could go on. */
  #look(key: string, waitMaxMs: Millis | null, say: () => string): void {
    const { world } = this.#scene;
    if (waitMaxMs === null) return void this.#freeSince.delete(key);
    const since = this.#freeSince.get(key) ?? world.time;
    this.#freeSince.set(key, since);
    if (world.time - since > waitMaxMs)
      world.violate("promise", `${say()} for ${world.time - since} ms although there is room`);
  }

  /** Jobs of a lane that could start. */
  #freeIn(name: string, queued: ReadonlySet<string>): JobRecord[] {
    const { host, limits, budgets, jobs } = this.#scene;
    const lane = host?.pulse.registry.lane(name);
    if (!lane || limits.isPaused(name) || !this.#hasRoom(lane)) return [];
    // In this order: what a clock that was set has spoilt is put right by a claim, and none is made without room.
    if (!limits.maySoonStart(name) || !budgets.maySoonStart(name)) return [];
    return [...queued].flatMap((id) => {
      const job = jobs.jobs.get(id);
      return job?.crowded === 0 ? [job] : [];
    });
  }

  #hasRoom({ executor, options }: Lane): boolean {
    const { attempts, swarm, jobs } = this.#scene;
    // A suspect wants the plugin for itself; one that was claimed and has not started waits for that.
    if (jobs.heldSuspects.size > 0 || attempts.running.size >= swarm.jobsMax) return false;
    let [here, same] = [0, 0];
    for (const { plugin, handler } of attempts.running) {
      if (plugin !== executor.plugin) continue;
      here += 1;
      if (handler === options.name) same += 1;
    }
    return here < widthOf(executor.plugin) && same < (options.concurrency ?? Number.POSITIVE_INFINITY);
  }
}

/** Jobs at once that a plugin surely takes. What is found out of one that does not say is seen at the next poll. */
function widthOf(plugin: string): number {
  return CHARACTERS.find(({ name }) => name === plugin)?.concurrency ?? 1;
}
