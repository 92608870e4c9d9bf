/**
 * Caretaker: keeps this boot's lease alive and takes over what dead boots left.
 * A boot whose lease was taken from it must not go on: it says so by throwing.
 */
import { type Env, sleep } from "../base/env.ts";
import { Fault } from "../base/fault.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { JobStore } from "../store/jobs.ts";
import type { NodeStore } from "../store/nodes.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { Trouble } from "./trouble.ts";

export interface CaretakerOptions {
  env: Env;
  log: Log;
  jobs: JobStore;
  nodes: NodeStore;
  bootId: string;
  nodeId: string;
  version: string;
  clock: ClockGuard;
  /** Resolves when this boot holds no job any more; null while it holds none. */
  holding: () => Promise<void> | null;
}

const LEASE_MS = 10_000; // How long others wait before they take a silent node's jobs.
const RENEW_MS = 3_000; // Three chances within a lease.
const LEASE_LOST =
  "Another host can have what this one held: it stopped for too long, or its lock was removed. It ends, so that jobs do not run twice.";

export class Caretaker implements Service {
  readonly name = "caretaker";
  readonly #options: CaretakerOptions;
  readonly #trouble: Trouble;

  constructor(options: CaretakerOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log);
  }

  async run({ stop }: StopSignals): Promise<void> {
    const { env, nodes, bootId } = this.#options;
    while (!stop.aborted) {
      await this.#round();
      await sleep(env, RENEW_MS, stop);
    }
    await this.#outlastJobs();
    await nodes.release(bootId);
  }

  /** While jobs of this boot may end by themselves, they stay its own. */
  async #outlastJobs(): Promise<void> {
    const { env, holding } = this.#options;
    for (let held = holding(); held !== null; held = holding()) {
      const over = new AbortController();
      await Promise.race([held, sleep(env, RENEW_MS, over.signal)]);
      over.abort();
      if (holding() !== null) await this.#round();
    }
  }

  async #round(): Promise<void> {
    const { log, jobs, nodes, bootId, nodeId, version, clock } = this.#options;
    let alive = true;
    try {
      alive = await nodes.renew({ bootId, nodeId, version, leaseMs: LEASE_MS, seen: clock.look() });
      const recovered = alive ? await jobs.recover(bootId) : []; // What others hold is no longer ours to judge.
      this.#trouble.over("the lease is renewed again");
      if (recovered.length > 0) {
        log.warn("jobs of a host that died are queued again", { count: recovered.length });
      }
    } catch (error) {
      this.#trouble.failed("the lease could not be renewed; trying again", error);
    }
    if (!alive) throw new Fault("conflict", LEASE_LOST);
  }
}
