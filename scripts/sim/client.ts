/**
 * Client: enqueues work under tokens of its own, sends again what was not answered,
 * cancels, and remembers every answer. It stands outside of the hosts and survives
 * them all. It calls the store and wakes Pulse as internal/operations does.
 */
import type { NewJob } from "../../internal/job/job.ts";
import { isFinished } from "../../internal/job/job.ts";
import type { SimHost } from "./host.ts";
import { GHOST } from "./job-oracle.ts";
import type { Scene } from "./scene.ts";

/** One job as the client knows it. */
interface Wish {
  token: string;
  job: NewJob;
}

const HANDLERS: readonly [string, string][] = [
  ["a.work", ""],
  ["a.work", ""],
  ["a.few", ""],
  ["a.few", "alpha"],
  ["b.work", ""],
  ["g.work", ""],
  ["g.work", "gamma"],
  ["a.work", "gamma"],
  ["late.work", ""],
  ["nobody.work", ""],
];
const LATENCY_MS = 3;
const RETRY_MS = 1_500;
const BATCH_MAX = 6;
const UNIQUE_KEYS = 5;

export class Client {
  readonly #scene: Scene;
  #made = 0;
  /** What was sent last, to be sent once more for no reason. */
  #lastBatch: Wish[] = [];

  constructor(scene: Scene) {
    this.#scene = scene;
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
    if (!again) {
      const count = dice.client.chance(0.3) ? dice.client.between(2, BATCH_MAX) : 1;
      this.#lastBatch = Array.from({ length: count }, () => this.#newWish());
    }
    this.#send(this.#lastBatch);
  }

  #newWish(): Wish {
    const { world, dice, swarm } = this.#scene;
    const { client } = dice;
    const token = `t${++this.#made}`;
    const [handler, plugin] = HANDLERS[client.between(0, HANDLERS.length - 1)] ?? ["a.work", ""];
    const poison = client.chance(swarm.poisonShare);
    const job: NewJob = {
      id: `JB_${token}`,
      handler,
      plugin,
      payload: new TextEncoder().encode(JSON.stringify({ token, poison })),
      priority: client.between(-1, 1),
      maxAttempts: client.between(1, 4),
      retry: {
        kind: client.chance(0.5) ? "fixed" : "exponential",
        baseMs: client.between(1, 3_000),
        maxMs: 20_000,
      },
      timeoutMs: client.chance(0.5) ? client.between(1_000, 15_000) : undefined,
      runAt: client.chance(0.25) ? world.wall() + client.between(-1_000, 20_000) : undefined,
      uniqueKey: client.chance(swarm.uniqueShare) ? `k${client.between(1, UNIQUE_KEYS)}` : undefined,
    };
    return { token, job };
  }

  /** Sends until there is an answer: the ids are the same each time. */
  #send(batch: readonly Wish[]): void {
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

  async #enqueue(host: SimHost, batch: readonly Wish[]): Promise<void> {
    const jobs = batch.map(({ job }) => job);
    const answers = await host.store.jobs.enqueue(jobs);
    if (!host.alive) throw new Error("the answer was never sent");
    this.#scene.look();
    answers.forEach((answer, index) => {
      const wish = batch[index];
      if (!wish) return;
      this.#scene.world.note(`acknowledged ${wish.token} as ${answer.id}${answer.created ? "" : ", again"}`);
      this.#scene.jobs.acknowledged({ token: wish.token, uniqueKey: wish.job.uniqueKey }, answer);
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
    id,
    fence,
    scheduleId: null,
    concurrencyKey: null,
    followed: false,
    state: isDone ? ("completed" as const) : ("queued" as const),
    runAt: isDone ? null : 0,
    attempt: 1,
    lost: 0,
    suspect: false,
    result: isDone ? new TextEncoder().encode(GHOST) : null,
    error: null,
    snoozed: 0,
    history: null,
    costActual: 0,
    pluginVersion: GHOST,
    pluginDigest: null,
  };
}
