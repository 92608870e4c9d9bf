/**
 * Slots: how many jobs each plugin may run at once, and who must run alone.
 *
 * A job that fell with a crashed process together with others is a suspect. It
 * waits here until its plugin is idle and runs by itself, so that the poison is
 * told from its neighbours.
 */
import type { Job } from "../job/job.ts";
import type { LaneRequest } from "../store/store.ts";
import type { Lane } from "./registry.ts";

interface PluginSlots {
  running: number;
  /** Suspects that were claimed and wait for an idle plugin. */
  waiting: { job: Job; lane: Lane }[];
  /** True while a suspect runs. */
  exclusive: boolean;
}

const CLAIM_JOBS_MAX = 512; // A claim is one statement: large enough to share its cost, small enough to be short.

export class Slots {
  readonly #jobsMax: number;
  readonly #plugins = new Map<string, PluginSlots>();
  readonly #lanes = new Map<string, number>();
  #total = 0;
  #turn = 0;

  /** `jobsMax`: jobs at once over all plugins of this node. */
  constructor(jobsMax: number) {
    this.#jobsMax = jobsMax;
  }

  get total(): number {
    return this.#total;
  }

  running(plugin: string): number {
    return this.#plugins.get(plugin)?.running ?? 0;
  }

  /** What may be claimed now. Lanes take turns: each round starts with another one. */
  wishes(lanes: readonly Lane[]): LaneRequest[] {
    const wishes: LaneRequest[] = [];
    const granted = new Map<string, number>();
    let left = Math.min(CLAIM_JOBS_MAX, this.#jobsMax - this.#total);
    const start = this.#turn++ % Math.max(1, lanes.length);
    const share = Math.max(1, Math.ceil(left / Math.max(1, lanes.length)));
    for (const lane of [...lanes.slice(start), ...lanes.slice(0, start)]) {
      const { plugin } = lane.executor;
      const limit = Math.min(share, left, this.#free(lane) - (granted.get(plugin) ?? 0));
      if (limit <= 0) continue;
      const { maxAttempts } = lane.options;
      wishes.push({ lane: lane.name, limit, ...(maxAttempts !== null && { maxAttempts }) });
      granted.set(plugin, (granted.get(plugin) ?? 0) + limit);
      left -= limit;
    }
    return wishes;
  }

  #free({ executor, options, name }: Lane): number {
    const slots = this.#plugins.get(executor.plugin);
    if (slots && (slots.exclusive || slots.waiting.length > 0)) return 0;
    const byPlugin = executor.concurrency - (slots?.running ?? 0);
    const byLane = (options.concurrency ?? Number.POSITIVE_INFINITY) - (this.#lanes.get(name) ?? 0);
    return Math.min(byPlugin, byLane);
  }

  /** Takes a slot. False: the job is a suspect and waits for its plugin to be idle. */
  take(job: Job, lane: Lane): boolean {
    const slots = this.#of(lane.executor.plugin);
    if (job.suspect && slots.running > 0) {
      slots.waiting.push({ job, lane });
      return false;
    }
    this.#count(lane, 1);
    slots.exclusive = job.suspect;
    return true;
  }

  /** Gives a slot back. Returns the suspect that may run now, if there is one. */
  give(lane: Lane): { job: Job; lane: Lane } | undefined {
    this.#count(lane, -1);
    const slots = this.#of(lane.executor.plugin);
    if (slots.running > 0) return undefined;
    slots.exclusive = false;
    return slots.waiting.shift();
  }

  /** Suspects that are held and have not started; they are forgotten here. */
  drainWaiting(): Job[] {
    return [...this.#plugins.values()].flatMap((slots) => slots.waiting.splice(0).map(({ job }) => job));
  }

  #count(lane: Lane, by: 1 | -1): void {
    this.#of(lane.executor.plugin).running += by;
    this.#lanes.set(lane.name, (this.#lanes.get(lane.name) ?? 0) + by);
    this.#total += by;
  }

  #of(plugin: string): PluginSlots {
    const known = this.#plugins.get(plugin);
    if (known) return known;
    const slots = { running: 0, waiting: [], exclusive: false };
    this.#plugins.set(plugin, slots);
    return slots;
  }
}
