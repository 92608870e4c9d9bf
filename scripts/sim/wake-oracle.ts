/**
 * Wake oracle: in calm times no job waits while there is room for it. A worker that
 * misses a wake-up would still find the job at its next poll, and nobody would see
 * that it was late; so the wait itself is measured.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { Lane } from "../../internal/pulse/registry.ts";
import type { Scene } from "./scene.ts";

const SETTLED_AFTER_MS = 5_000; // The last fault may have left the worker in its pause.
const WAIT_MAX_MS = 250; // What design/4-jobs asks of an idle host, at p99.

export class WakeOracle {
  readonly #scene: Scene;
  readonly #freeSince = new Map<string, Millis>();
  #calmSince: Millis | null = null;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** After every event. */
  check(): void {
    const { world, host, jobs } = this.#scene;
    this.#calmSince ??= world.time;
    const since = Math.max(this.#calmSince, host?.frozenUntil ?? 0);
    if (!host || world.time - since < SETTLED_AFTER_MS) return;
    for (const [name, queued] of jobs.queuedIn) {
      const lane = queued.size > 0 ? host.pulse.registry.lane(name) : undefined;
      if (!lane || !this.#hasRoom(lane)) {
        this.#freeSince.delete(name);
        continue;
      }
      const freeSince = this.#freeSince.get(name) ?? world.time;
      this.#freeSince.set(name, freeSince);
      if (world.time - freeSince > WAIT_MAX_MS) {
        const [id] = queued;
        world.violate(
          "promise",
          `${id} waited ${world.time - freeSince} ms in ${name} although there was room`,
        );
      }
    }
  }

  #hasRoom({ executor, options }: Lane): boolean {
    const { attempts, swarm, jobs, host } = this.#scene;
    const running = [...attempts.running];
    const here = running.filter(({ plugin }) => plugin === executor.plugin);
    const same = here.filter(({ handler }) => handler === options.name);
    // A suspect wants the plugin for itself; one that was claimed and has not started waits for that.
    const held = [...jobs.jobs.values()].some(
      ({ bootId, suspect }) => suspect === 1 && bootId !== null && bootId === host?.pulse.bootId,
    );
    return (
      !held &&
      running.length < swarm.jobsMax &&
      here.length < executor.concurrency &&
      same.length < (options.concurrency ?? Number.POSITIVE_INFINITY)
    );
  }
}
