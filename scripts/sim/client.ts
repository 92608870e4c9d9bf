/**
 * Client: enqueues work under tokens of its own, sends again what was not answered,
 * cancels, and remembers every answer. It stands outside of the hosts and survives
 * them all. It calls the store and wakes Pulse as internal/operations does.
 */
import { isFinished } from "../../internal/job/job.ts";
import type { SimHost } from "./host.ts";
import { GHOST } from "./job-oracle.ts";
import { type Order, Orders } from "./orders.ts";
import type { Scene } from "./scene.ts";

const LATENCY_MS = 3;
const RETRY_MS = 1_500;

export class Client {
  readonly #scene: Scene;
  readonly #orders: Orders;
  /** What was sent last, to be sent once more for no reason. */
  #lastBatch: Order[] = [];

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#orders = new Orders(scene);
  }

  /** Works until times are calm. */
  start(): void {
    const { swarm, dice } = this.#scene;
    this.#scene.every(swarm.enqueueMs, dice.client, "client enqueues", () => this.#enqueueSome());
    this.#scene.every(swarm.cancelMs, dice.client, "client cancels", () => this.#cancelOne());
    this.#scene.every(swarm.ghostMs, dice.client, "a ghost settles", () => this.#settleLate());
  }

  #enqueueSome(): void {
    const { dice } = this.#scene;
    const again = dice.client.chance(0.05) && this.#lastBatch.length > 0;
    if (!again) this.#lastBatch = this.#orders.some();
    for (const { job } of this.#lastBatch) {
      const { parentId, waitFor, waitPolicy, childPolicy } = job;
      this.#scene.world.note(
        `wanted ${job.id} ${JSON.stringify({ parentId, waitFor, waitPolicy, childPolicy })}`,
      );
      this.#scene.flows.asked(job);
      this.#scene.uniques.asked(job);
    }
    this.#send(this.#lastBatch);
  }

  /** Sends until there is an answer: the ids are the same each time. */
  #send(batch: readonly Order[]): void {
    const { world, host } = this.#scene;
    const later = () => void world.later(RETRY_MS, "client sends again", () => this.#send(batch));
    if (!host) return this.#scene.whenUp(later);
    let fate: "unknown" | "answered" | "refused" = "unknown";
    const look = () => {
      if (fate === "answered") return;
      if (fate === "refused" || !host.alive) return this.#send(batch);
      world.later(RETRY_MS, "client waits", look);
    };
    const send = () =>
      this.#enqueue(host, batch).then(
        () => void (fate = "answered"),
        () => void (fate = "refused"),
      );
    world.later(LATENCY_MS, "enqueue", send, host);
    world.later(RETRY_MS, "client waits", look);
  }

  async #enqueue(host: SimHost, batch: readonly Order[]): Promise<void> {
    const jobs = batch.map(({ job }) => job);
    const answers = await host.store.jobs.enqueue(jobs);
    if (!host.alive) throw new Error("the answer was never sent");
    this.#scene.look();
    answers.forEach((answer, index) => {
      const order = batch[index];
      if (!order) return;
      this.#scene.world.note(`acknowledged ${order.token} as ${answer.id}${answer.created ? "" : ", again"}`);
      this.#scene.jobs.acknowledged({ token: order.token, uniqueKey: order.job.uniqueKey }, answer);
    });
    if (answers.some(({ state }) => state === "scheduled")) host.pulse.jobsDelayed();
  }

  #cancelOne(): void {
    const { jobs, dice, host, world } = this.#scene;
    if (!host) return;
    const recent = [...jobs.jobs.values()].slice(-60);
    const open = recent.filter(({ state }) => !isFinished(state));
    const job = dice.client.any(dice.client.chance(0.9) && open.length > 0 ? open : recent);
    if (!job) return;
    world.later(LATENCY_MS, "cancel", () => this.#cancel(host, job.id), host);
  }

  #cancel(host: SimHost, id: string): void {
    const { jobs, world } = this.#scene;
    jobs.cancelAsked(id);
    host.store.jobs.cancel(id, "the client").then(
      (answer) => {
        if (!host.alive || !answer) return;
        this.#scene.look();
        world.note(`cancelled ${id}, which was ${answer.before}`);
        if (answer.before === "running") host.pulse.cancel(id);
        jobs.cancelAnswered(id, answer.before);
      },
      () => {},
    );
  }

  /** A result and a progress that come after their fence is gone: from a process that was believed dead. */
  #settleLate(): void {
    const { attempts, jobs, dice, host, world } = this.#scene;
    if (!host || attempts.count === 0) return;
    const attempt = attempts.past(-dice.client.between(1, Math.min(40, attempts.count)));
    const job = attempt && jobs.jobs.get(attempt.jobId);
    if (!job || (job.state === "running" && job.fence === attempt.fence)) return;
    const { fence } = attempt;
    world.later(
      LATENCY_MS,
      "ghost",
      () => {
        const progress = { current: 0, total: 0, message: GHOST };
        host.store.jobs.progress([{ id: job.id, fence, progress }]).catch(() => {});
        host.store.jobs.settle([lateSettlement(job.id, fence, dice.client.chance(0.5))]).then(
          ([kept]) => {
            if (host.alive && kept)
              world.violate("I6", `a late result of ${job.id} with fence ${fence} counted`);
          },
          () => {},
        );
      },
      host,
    );
  }
}

function lateSettlement(id: string, fence: number, isDone: boolean) {
  return {
    seq: 0, // One that comes by itself is found by its id.
    id,
    fence,
    startedAt: null,
    scheduleId: null,
    concurrencyKey: null,
    budgeted: false,
    followed: false,
    state: isDone ? ("completed" as const) : ("queued" as const),
    runAt: isDone ? null : 0,
    attempt: 1,
    lost: 0,
    suspect: false,
    result: isDone ? new TextEncoder().encode(GHOST) : null,
    error: null,
    snoozed: 0,
    past: null,
    costActual: 0,
    pluginVersion: GHOST,
    pluginDigest: null,
  };
}
