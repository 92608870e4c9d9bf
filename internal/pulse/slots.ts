/**
 * Slots: how many jobs each plugin may run at once, and who must run alone.
 *
 * A job that fell with a crashed process together with others is a suspect. It
 * waits here until its plugin is idle and runs by itself, so that the poison is
 * told from its neighbours.
 */
import type { HeldJob } from "../job/job.ts";
import { laneOf } from "../job/lane.ts";
import type { LaneRequest } from "../store/jobs.ts";
import type { Lane } from "./registry.ts";

interface PluginSlots {
  running: number;
  /** Suspects that were claimed and wait for an idle plugin. */
  waiting: HeldJob[];
  /** True while a suspect runs. */
  exclusive: boolean;
}

const CLAIM_JOBS_MAX = 512; // A claim is one statement: large enough to share its cost, small enough to be short.

export class Slots {
  readonly #jobsMax: number;
  readonly #plugins = new Map<string, PluginSlots>();
  /** By handler, not by lane: `x` and `<plugin>/x` are one handler with one limit. */
  readonly #handlers = new Map<string, number>();
  #total = 0;

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

  /** What may be claimed now, by lanes in the order given: who is asked goes to its end, so that lanes take turns. */
  wishes(lanes: readonly Lane[]): LaneRequest[] {
    const wishes: LaneRequest[] = [];
    const granted = new Map<string, number>();
    let left = Math.min(CLAIM_JOBS_MAX, this.#jobsMax - this.#total);
    const share = Math.max(1, Math.ceil(left / Math.max(1, lanes.length)));
    for (const lane of lanes) {
      const limit = Math.min(share, left, this.#free(lane, granted));
      if (limit <= 0) continue;
      const { maxAttempts } = lane.options;
      const { plugin } = lane.executor;
      wishes.push({ lane: lane.name, limit, plugin, ...(maxAttempts !== null && { maxAttempts }) });
      for (const key of [plugin, handlerOf(lane)]) granted.set(key, (granted.get(key) ?? 0) + limit);
      left -= limit;
    }
    return wishes;
  }

  /** Room for jobs of a lane, beside what runs and what was granted to others in this round. */
  #free(lane: Lane, granted: ReadonlyMap<string, number>): number {
    const { plugin, concurrency } = lane.executor;
    const slots = this.#plugins.get(plugin);
    if (slots && (slots.exclusive || slots.waiting.length > 0)) return 0;
    const handler = handlerOf(lane);
    const byPlugin = concurrency - (slots?.running ?? 0) - (granted.get(plugin) ?? 0);
    const byHandler =
      (lane.options.concurrency ?? Number.POSITIVE_INFINITY) -
      (this.#handlers.get(handler) ?? 0) -
      (granted.get(handler) ?? 0);
    return Math.min(byPlugin, byHandler);
  }

  /** Takes a slot. False: the job is a suspect and waits for its plugin to be idle. */
  take(job: HeldJob, lane: Lane): boolean {
    const slots = this.#of(lane.executor.plugin);
    if (job.suspect && slots.running > 0) {
      slots.waiting.push(job);
      return false;
    }
    this.#count(lane, 1);
    slots.exclusive = job.suspect;
    return true;
  }

  /** Gives a slot back. */
  give(lane: Lane): void {
    this.#count(lane, -1);
    const slots = this.#of(lane.executor.plugin);
    if (slots.running === 0) slots.exclusive = false;
  }

  /** The next suspect of a plugin that is idle. It is forgotten here. */
  nextWaiting(plugin: string): HeldJob | undefined {
    const slots = this.#of(plugin);
    return slots.running > 0 ? undefined : slots.waiting.shift();
  }

  /** Takes a suspect out of the line. Undefined when it does not stand there. */
  withdraw(jobId: string): HeldJob | undefined {
    for (const { waiting } of this.#plugins.values()) {
      const index = waiting.findIndex(({ id }) => id === jobId);
      if (index >= 0) return waiting.splice(index, 1)[0];
    }
    return undefined;
  }

  /** Suspects that are held and have not started; they are forgotten here. */
  drainWaiting(): HeldJob[] {
    return [...this.#plugins.values()].flatMap((slots) => slots.waiting.splice(0));
  }

  #count(lane: Lane, by: 1 | -1): void {
    this.#of(lane.executor.plugin).running += by;
    const handler = handlerOf(lane);
    this.#handlers.set(handler, (this.#handlers.get(handler) ?? 0) + by);
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

/** A handler of a plugin, however its jobs are addressed. */
function handlerOf({ executor, options }: Lane): string {
  return laneOf({ plugin: executor.plugin, handler: options.name });
}
