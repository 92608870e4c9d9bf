/**
 * Operator: holds up jobs and handlers and lets them go, retries and cancels what has
 * something in common, as internal/operations does it, and leaves nothing paused when
 * times are calm. It knows from the oracle what should be found, and compares.
 */
import { isFinished, JOB_STATES, type NewJob } from "../../internal/job/job.ts";
import { retryOf } from "../../internal/operations/job-input.ts";
import type { Context } from "../../internal/operations/operation.ts";
import { laneOf } from "../../internal/job/lane.ts";
import type { BulkFilter, BulkJob } from "../../internal/store/bulk.ts";
import { HANDLERS_SAID } from "./characters.ts";
import type { SimHost } from "./host.ts";
import { errorOf, type JobRecord } from "./journal.ts";
import type { Scene } from "./scene.ts";

const LATENCY_MS = 5;
const BY = "operator:operator";
const OPEN = JOB_STATES.filter((state) => !isFinished(state));
const BULK_MAX = 20;
const AGAIN_MS = 2_000;

export class Operator {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Works until times are calm. */
  start(): void {
    const { swarm, dice } = this.#scene;
    const { client } = dice;
    this.#scene.every(swarm.holdMs, client, "operator holds", () =>
      client.chance(0.5) ? this.#holdHandler() : this.#holdJob(),
    );
    this.#scene.every(swarm.bulkMs, client, "operator in bulk", () => this.#bulk());
    this.#scene.every(swarm.retryMs, client, "operator retries", () => this.#retryOne());
  }

  /** Lets everything go that is held, from now on. */
  release(): void {
    const { host, limits, jobs, world } = this.#scene;
    const held = [...jobs.jobs.values()].filter(
      ({ state, trigger }) => state === "paused" && trigger !== "backfill",
    );
    for (const handler of limits.paused) if (host) this.#resumeHandler(host, handler);
    for (const { id } of held) if (host) this.#resumeJob(host, id);
    world.later(AGAIN_MS, "operator releases", () => this.release()); // What was asked before may come later.
  }

  #holdHandler(): void {
    const { host, limits, dice } = this.#scene;
    const paused = limits.paused;
    if (!host) return;
    if (paused.length > 0 && dice.client.chance(0.6))
      return this.#resumeHandler(host, dice.client.any(paused) ?? "");
    const handler = dice.client.any([...HANDLERS_SAID.keys(), "alpha/a.few", "gamma/a.work"]) ?? "";
    this.#ask(host, `pause ${handler}`, () => host.store.limits.pause({ handler, by: BY, note: "hold" }));
  }

  #resumeHandler(host: SimHost, handler: string): void {
    this.#ask(host, `resume ${handler}`, async () => {
      await host.store.limits.resume(handler, BY);
      if (!host.alive) return;
      const lanes = [...this.#scene.jobs.queuedIn.keys()];
      host.pulse.jobsAdded(lanes.filter((lane) => lane === handler || lane.endsWith(`/${handler}`)));
    });
  }

  #holdJob(): void {
    const { host, dice } = this.#scene;
    const job = dice.client.any(this.#recent((each) => !isFinished(each.state)));
    if (!host || !job) return;
    if (job.state === "paused") return this.#resumeJob(host, job.id);
    this.#ask(host, `pause ${job.id}`, () => host.store.jobs.pause(job.id, { by: BY, note: "hold" }));
  }

  #resumeJob(host: SimHost, id: string): void {
    this.#ask(host, `resume ${id}`, async () => {
      const moved = await host.store.jobs.resume(id);
      if (!moved || !host.alive) return;
      const { state, handler, plugin } = moved.job;
      if (state === "queued") host.pulse.jobsAdded([laneOf({ plugin, handler })]);
      else host.pulse.jobsDelayed();
    });
  }

  #retryOne(): void {
    const { host, dice } = this.#scene;
    const old = dice.client.any(this.#recent((job) => isFinished(job.state) && job.trigger !== "backfill"));
    if (!host || !old) return;
    this.#ask(host, `retry ${old.id}`, async () => {
      const found = await host.store.jobs.get(old.id);
      if (!found) return;
      const job = retryOf(contextOf(host), found);
      this.#scene.jobs.retryAsked(job.id);
      await host.store.jobs.enqueue([job]);
      if (host.alive) host.pulse.jobsAdded([laneOf(job)]);
    });
  }

  #bulk(): void {
    const { host, dice } = this.#scene;
    if (!host) return;
    const { client } = dice;
    const handler = client.chance(0.5) ? client.any([...HANDLERS_SAID.keys(), "alpha/a.few"]) : undefined;
    const errorKind = client.chance(0.3) ? client.pick(["Error", "timeout", "lost"]) : undefined;
    const cancels = client.chance(0.3);
    const filter: BulkFilter = {
      states: cancels ? OPEN : client.pick([["failed"], ["completed", "failed", "cancelled"]]),
      handler,
      ...(!cancels && { errorKind, notRetried: true }),
    };
    this.#ask(host, "bulk", () => (cancels ? this.#cancelMany(host, filter) : this.#retryMany(host, filter)));
  }

  async #cancelMany(host: SimHost, filter: BulkFilter): Promise<void> {
    const { jobs } = this.#scene;
    const ids = (await this.#match(host, filter)).map(({ id }) => id);
    for (const id of ids) jobs.cancelAsked(id);
    const before = await host.store.bulk.cancel(ids, BY);
    if (!host.alive) return;
    this.#scene.look();
    ids.forEach((id, index) => {
      const state = before[index];
      if (state === "running") host.pulse.cancel(id);
      if (state) jobs.cancelAnswered(id, state);
    });
  }

  async #retryMany(host: SimHost, filter: BulkFilter): Promise<void> {
    const matched = await this.#match(host, filter);
    const found = await Promise.all(matched.map(({ id }) => host.store.jobs.get(id)));
    const retries: (NewJob & { retryOf: string })[] = found.flatMap((job) =>
      job && job.trigger !== "backfill" ? [retryOf(contextOf(host), job)] : [],
    );
    await host.store.bulk.retry(retries);
    if (host.alive)
      host.pulse.jobsAdded(new Set(retries.map(({ handler, plugin }) => laneOf({ plugin, handler }))));
  }

  /** The first of those that match. All of them are found, and no others. */
  async #match(host: SimHost, filter: BulkFilter): Promise<BulkJob[]> {
    const { jobs, world } = this.#scene;
    this.#scene.look();
    const retried = new Set([...jobs.jobs.values()].map(({ retryOf: old }) => old));
    const wanted = [...jobs.jobs.values()].filter((job) => matches(job, filter, retried)).length;
    const { found } = await host.store.bulk.match(filter, null);
    if (host.alive && found.length !== wanted)
      world.violate("promise", `${found.length} jobs match ${JSON.stringify(filter)}; there are ${wanted}`);
    return found.slice(0, BULK_MAX);
  }

  #recent(fits: (job: JobRecord) => boolean): JobRecord[] {
    return [...this.#scene.jobs.jobs.values()].slice(-60).filter(fits);
  }

  #ask(host: SimHost, label: string, ask: () => Promise<unknown>): void {
    const { world } = this.#scene;
    world.later(LATENCY_MS, label, () => void ask().catch(() => {}), host);
  }
}

function matches(
  job: JobRecord,
  { states, handler, errorKind, notRetried }: BulkFilter,
  retried: Set<string | null>,
) {
  return (
    states.includes(job.state) &&
    (handler === undefined || job.handler === handler || job.lane === handler) &&
    (errorKind === undefined || errorOf(job)?.kind === errorKind) &&
    (!notRetried || !retried.has(job.id))
  );
}

function contextOf(host: SimHost): Context {
  const principal = { kind: "operator", name: "operator" };
  return { env: host.env, principal } as unknown as Context; // As much of one as a retry needs.
}
