/**
 * People: make schedules, change them, pause and resume them, delete them, set
 * blackouts, run the past again, and expect that what they were told holds. Plugins
 * declare their schedules as internal/plugins does.
 */
import type { NewJob } from "../../internal/job/job.ts";
import type { Schedule, ScheduleState } from "../../internal/schedule/schedule.ts";
import type { NewSchedule, ScheduleRefusal } from "../../internal/store/schedules.ts";
import type { SimHost } from "./host.ts";
import type { Scene } from "./scene.ts";
import { BLACKOUT_NAMES, Wishes } from "./wishes.ts";

const LATENCY_MS = 4;
const NO_ANSWER_MS = 120_000; // Longer than any pause of a host: it will never answer.
const BACKFILL_RUNS = 8;

/** The schedules that a plugin may declare. */
const DECLARABLE = ["d1", "d2", "d3"] as const;
const PLUGIN = { kind: "plugin", name: "alpha" } as const;

type Act = "create" | "update" | "pause" | "resume" | "delete";

export class People {
  readonly #scene: Scene;
  readonly #wishes: Wishes;
  /** Schedules that somebody knows of, with the state that was answered last. */
  readonly #known = new Map<string, ScheduleState>();
  /** Those with an act on its way: two at once have no order. */
  readonly #busy = new Map<string, number>();
  #made = 0;
  #acts = 0;
  #backfills = 0;
  /** What was declared last, to be declared again. */
  readonly #declared = new Map<string, NewSchedule>();

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#wishes = new Wishes(scene);
  }

  /** Makes the first schedules and goes on until times are calm. */
  start(): void {
    const { swarm, world, dice } = this.#scene;
    const { people } = dice;
    for (let i = 0; i < swarm.schedules; i++)
      world.later(people.between(1, 30_000), "people create", () => this.#act("create"));
    this.#scene.every(swarm.declareMs, people, "plugin declares", () => this.#declare());
    this.#scene.every(swarm.blackoutMs, people, "people set blackouts", () => this.#setBlackout());
    this.#scene.every(swarm.backfillMs, people, "people backfill", () => this.#backfill());
    this.#scene.every(swarm.confirmMs, people, "people confirm the clock", () => this.#confirm());
    const acts = ["create", "update", "update", "pause", "resume", "resume", "delete"] as const;
    this.#scene.every(swarm.peopleMs, people, "people act", () => this.#act(people.pick(acts)));
  }

  #act(act: Act): void {
    const { host, world, dice } = this.#scene;
    if (!host) return;
    const live = this.#live();
    if (act === "create" && live.length >= this.#scene.swarm.schedules + 2) return;
    const id = act === "create" ? `SC_${++this.#made}` : dice.people.any(live);
    if (id === undefined || this.#busy.has(id)) return;
    const number = ++this.#acts;
    this.#busy.set(id, number);
    world.later(LATENCY_MS, `${act} ${id}`, () => this.#do(host, act, id), host);
    const goOn = () => void (this.#busy.get(id) === number && this.#busy.delete(id));
    world.later(NO_ANSWER_MS, "people go on", goOn);
  }

  #live(): string[] {
    return [...this.#known].filter(([, state]) => state !== "deleted").map(([id]) => id);
  }

  #do(host: SimHost, act: Act, id: string): void {
    if (!host.pulse.clock.look()) return void this.#busy.delete(id); // As operations refuse it.
    this.#ask(host, act, id).then(
      (answer) => {
        if (!host.alive) return;
        this.#busy.delete(id);
        this.#scene.look();
        if ("refused" in answer) return this.#refused(act, id, answer);
        host.pulse.schedulesChanged();
        this.#answered(act, answer);
      },
      () => void this.#busy.delete(id),
    );
  }

  /** A plugin says again which schedules it wants: some that it had, some new, some changed. */
  #declare(): void {
    const { host, world, dice } = this.#scene;
    const wanted = DECLARABLE.filter(() => dice.people.chance(0.7));
    const declared = wanted.map((declaredId): NewSchedule => {
      const same = dice.people.chance(0.7) ? this.#declared.get(declaredId) : undefined;
      return same ?? this.#declaration(declaredId);
    });
    for (const schedule of declared) this.#declared.set(schedule.declaredId, schedule);
    if (!host) return;
    const ask = () =>
      host.pulse.clock.look() &&
      host.store.schedules.declare(PLUGIN, declared).then(
        (changes) => {
          if (!host.alive) return;
          this.#scene.look();
          host.pulse.schedulesChanged();
          for (const { id, change } of changes) this.#declaredAs(id, change);
        },
        () => {},
      );
    world.later(LATENCY_MS, "declare", ask, host);
  }

  #declaration(declaredId: string): NewSchedule {
    const { people } = this.#scene.dice;
    const { policy, ...schedule } = this.#wishes.schedule(`SC_${declaredId}`);
    const paused = people.chance(0.2) ? { note: "declared so", by: `${PLUGIN.kind}:${PLUGIN.name}` } : null;
    return {
      ...schedule,
      policy: { ...policy, blackoutNames: [] },
      name: "",
      owner: PLUGIN,
      declaredId,
      paused,
    };
  }

  #declaredAs(id: string, change: string): void {
    const state = this.#scene.schedules.schedules.get(id)?.state;
    this.#scene.world.note(`declared ${id}: ${change}, ${state}`);
    if (state === undefined) this.#scene.world.violate("I9", `${id} was declared and is not there`);
    else if (!this.#busy.has(id)) this.#known.set(id, state);
  }

  #ask(host: SimHost, act: Act, id: string): Promise<Schedule | ScheduleRefusal> {
    const { schedules } = host.store;
    switch (act) {
      case "create":
        return schedules.create(this.#wishes.schedule(id));
      case "update":
        return schedules.update(id, this.#wishes.change());
      case "pause":
        return schedules.pause(id, { note: "a reason", by: "somebody", until: this.#wishes.pauseEnd() });
      case "resume":
        this.#scene.schedules.resumeAsked(id);
        return schedules.resume(id);
      case "delete":
        return schedules.delete(id, "somebody");
    }
  }

  /** What was answered is what is on disk. */
  #answered(act: Act, { id, state, revision }: Schedule): void {
    const { schedules, world } = this.#scene;
    const row = schedules.schedules.get(id);
    world.note(`${act} ${id} answered: ${state}, revision ${revision}`);
    const over = state === "active" && row?.state === "finished"; // Its last run came in the same commit.
    const exact = (row?.state === state || over) && row?.revision === revision;
    // Its plugin came in between, or somebody who changed a blackout that it observes.
    const later =
      row !== undefined && row.revision >= revision && (row.declaredId !== "" || row.state === state);
    const byHost = row?.state === "paused" && (row.pause ?? "").includes('"by":"host"'); // Too many runs failed.
    if (!exact && !later && !byHost)
      world.violate(
        "I9",
        `${act} of ${id} was answered as ${state}; on disk it is ${row?.state ?? "nothing"}`,
      );
    if (act === "delete" && state !== "deleted")
      world.violate("promise", `${id} was deleted and is ${state}`);
    if (act === "pause" && state === "active") world.violate("promise", `${id} was paused and is active`);
    if (act === "delete") schedules.deleteAnswered(id);
    this.#known.set(id, state);
  }

  #refused(act: Act, id: string, { refused }: ScheduleRefusal): void {
    const before = this.#known.get(id);
    if (refused === "not-found" && before !== undefined)
      this.#scene.world.violate("I9", `${act}: ${id} was made and is not found`);
    if (refused === "deleted") this.#known.delete(id);
  }

  /** Sets a named blackout, or takes one away that nobody observes. */
  #setBlackout(): void {
    const { host, world, dice } = this.#scene;
    if (!host) return;
    const name = dice.people.pick(BLACKOUT_NAMES);
    const { blackouts } = host.store;
    const ask = dice.people.chance(0.2)
      ? () => blackouts.delete(name)
      : () => blackouts.set(this.#wishes.blackout(name));
    const changed = () => host.alive && host.pulse.schedulesChanged();
    const act = () => host.pulse.clock.look() && void ask().then(changed, () => {});
    world.later(LATENCY_MS, `blackout ${name}`, () => void act(), host);
  }

  /** Runs some of the past again, or takes back what has not begun. */
  #backfill(): void {
    const { host, world, dice } = this.#scene;
    const scheduleId = dice.people.any(this.#live());
    if (!host || scheduleId === undefined) return;
    const ask = dice.people.chance(0.2)
      ? () => this.#cancelBackfills(host, scheduleId)
      : () => this.#makeBackfill(host, scheduleId);
    world.later(LATENCY_MS, `backfill ${scheduleId}`, () => void ask(), host);
  }

  async #makeBackfill(host: SimHost, scheduleId: string): Promise<void> {
    const { world, dice, schedules, backfills } = this.#scene;
    const to = world.wall();
    const from = to - dice.people.pick([20_000, 200_000, 7_200_000]);
    const instants = schedules.instantsOf(scheduleId, { from, to, max: BACKFILL_RUNS });
    const id = `BF_${++this.#backfills}`;
    const concurrency = dice.people.between(1, 3);
    const jobs = instants.map((occurrence): NewJob => ({
      id: `JB_${id}_${occurrence}`,
      handler: "a.work",
      payload: new TextEncoder().encode(JSON.stringify({ token: `${id}@${occurrence}` })),
      priority: 5,
      maxAttempts: 2,
      occurrence,
    }));
    backfills.asked(id, concurrency);
    const backfill = { id, scheduleId, from, to, concurrency, askedBy: "somebody" };
    await host.store.backfills.make(backfill, jobs).then(
      () => {},
      () => {},
    );
  }

  async #cancelBackfills(host: SimHost, scheduleId: string): Promise<void> {
    this.#scene.jobs.cancelBackfillsAsked(scheduleId);
    await host.store.backfills.cancel(scheduleId, "somebody").catch(() => {});
  }

  #confirm(): void {
    const { host, world } = this.#scene;
    if (!host?.pulse.clock.suspicion) return;
    world.note("somebody confirms the clock");
    host.pulse.clock.confirm();
    this.#scene.clock.confirmed();
  }
}
