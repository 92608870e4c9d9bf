/** Orders: what clients of a world want done, drawn by chance: every handler, every policy, keys, parents, others to wait for. */
import type { RetryPolicy } from "../../internal/base/retry.ts";
import { isFinished, type NewJob, WAIT_POLICIES } from "../../internal/job/job.ts";
import type { JobRecord } from "./journal.ts";
import type { Scene } from "./scene.ts";

/** One job as its client knows it. */
export interface Order {
  token: string;
  job: NewJob;
}

const HANDLERS: readonly [handler: string, plugin: string][] = [
  ["a.work", ""],
  ["a.work", ""],
  ["a.few", ""],
  ["a.few", "alpha"],
  ["a.slow", ""],
  ["b.work", ""],
  ["g.work", ""],
  ["g.work", "gamma"],
  ["a.work", "gamma"],
  ["late.work", ""],
  ["last.work", ""],
];
/** How the tokens of those begin that ask for another run each time. */
export const SLEEPY = "z";

const UNIQUE_KEYS = 5;
const CONCURRENCY_KEYS = 3;
const BATCH_MAX = 5;
const RECENT = 30; // Jobs that others are tied to.

export class Orders {
  readonly #scene: Scene;
  #made = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Some that are asked for together. */
  some(): Order[] {
    const { client } = this.#scene.dice;
    if (client.chance(this.#scene.swarm.tieShare / 2)) return this.#batch();
    const count = client.chance(0.3) ? client.between(2, BATCH_MAX) : 1;
    return Array.from({ length: count }, () => this.#one());
  }

  /** Jobs that run side by side, and one that runs when all have ended: as operations make them. */
  #batch(): Order[] {
    const { client } = this.#scene.dice;
    const last = this.#one();
    const children = Array.from({ length: client.between(1, BATCH_MAX) }, () => this.#one());
    const plain = ({ token, job }: Order, ties: Partial<NewJob>): Order => {
      const { uniqueKey: _, uniqueForMs: __, parentId: ___, waitFor: ____, ...rest } = job;
      return { token, job: { ...rest, ...ties } };
    };
    const waitFor = children.map(({ job }) => job.id);
    const waitPolicy = client.pick(WAIT_POLICIES);
    return [
      ...children.map((child) => plain(child, { parentId: last.job.id })),
      plain(last, { waitFor, waitPolicy }),
    ];
  }

  #one(): Order {
    const { world, dice, swarm } = this.#scene;
    const { client, budgets } = dice;
    const [handler, plugin] = HANDLERS[client.between(0, HANDLERS.length - 1)] ?? ["a.work", ""];
    const poison = client.chance(swarm.poisonShare);
    const sleepy = client.chance(swarm.sleepyShare);
    const token = `${sleepy ? SLEEPY : "t"}${++this.#made}`;
    const uniqueKey = client.chance(swarm.uniqueShare) ? `k${client.between(1, UNIQUE_KEYS)}` : undefined;
    const job: NewJob = {
      id: `JB_${token}`,
      handler,
      plugin,
      payload: new TextEncoder().encode(JSON.stringify({ token, poison, sleepy })),
      priority: client.between(-1, 1),
      maxAttempts: client.chance(0.7) ? client.between(1, 4) : undefined,
      retry: this.#retry(),
      timeoutMs: client.chance(0.5) ? client.between(1_000, 15_000) : undefined,
      runAt: client.chance(0.25) ? world.wall() + client.between(-1_000, 20_000) : undefined,
      uniqueKey,
      uniqueForMs: uniqueKey !== undefined && client.chance(0.4) ? client.between(1_000, 60_000) : undefined,
      concurrencyKey: client.chance(swarm.keyShare) ? `c${client.between(1, CONCURRENCY_KEYS)}` : undefined,
      ...(client.chance(swarm.tieShare) && this.#ties()),
      ...(swarm.budgetMs !== null && { costEstimate: budgets.pick([0, 0, 0.5, 1, 3]) }),
    };
    return { token, job };
  }

  #retry(): RetryPolicy | undefined {
    const { client } = this.#scene.dice;
    const baseMs = client.between(1, 3_000);
    switch (client.between(1, 5)) {
      case 1:
        return { kind: "fixed", baseMs, maxMs: baseMs };
      case 2:
        return { kind: "linear", baseMs, maxMs: 5_000 };
      case 3:
        return { kind: "list", delaysMs: [baseMs, client.between(1, 4_000)] };
      case 4:
        return { kind: "exponential", baseMs, maxMs: 20_000 };
      default:
        return undefined;
    }
  }

  /** A parent, others to wait for, or children to take along. */
  #ties(): Partial<NewJob> {
    const { client } = this.#scene.dice;
    const recent = this.#recent();
    const open = recent.filter(({ state }) => !isFinished(state));
    const parent = client.chance(0.5) ? client.any(open) : undefined;
    const count = client.chance(0.6) ? client.between(1, 3) : 0;
    const waitFor = Array.from({ length: count }, () => client.any(client.chance(0.7) ? open : recent));
    const ids = waitFor.flatMap((job) => (job && job.id !== parent?.id ? [job.id] : []));
    return {
      ...(parent && { parentId: parent.id }),
      ...(ids.length > 0 && { waitFor: ids, waitPolicy: client.pick(WAIT_POLICIES) }),
      ...(client.chance(0.5) && { childPolicy: client.pick(["keep", "cancel"]) }),
    };
  }

  #recent(): JobRecord[] {
    return [...this.#scene.jobs.jobs.values()].slice(-RECENT).filter(({ trigger }) => trigger !== "backfill");
  }
}
