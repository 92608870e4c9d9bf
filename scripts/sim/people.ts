/**
 * People: make schedules, change them, pause and resume them, delete them, and
 * expect that what they were told holds. Like everybody they read the calendar:
 * days on which clocks change are among the days of the simulation.
 */
import type { Millis } from "../../internal/base/env.ts";
import {
  type Blackout,
  type Policy,
  POLICY_DEFAULT,
  type Schedule,
  type ScheduleState,
  type Spec,
} from "../../internal/schedule/schedule.ts";
import type { NewSchedule, ScheduleChange, ScheduleRefusal } from "../../internal/store/store.ts";
import type { SimHost } from "./host.ts";
import type { Scene } from "./scene.ts";

const OVERLAPS = [
  "skip",
  "skip",
  "allow",
  "buffer-one",
  "buffer-all",
  "cancel-other",
  "terminate-other",
] as const;
const LATENCY_MS = 4;
const NO_ANSWER_MS = 120_000; // Longer than any pause of a host: it will never answer.
const OWNER = { kind: "person", name: "operator" } as const;
const HANDLERS = ["a.work", "a.few", "b.work", "gamma/g.work", "late.work"] as const;
const ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"] as const;
const CRONS = [
  "* * * * *",
  "*/10 * * * * *",
  "*/2 * * * *",
  "0,30 2 * * *",
  "30 1,2 * * *",
  "0-59/3 1-3 * * *",
  "15 */20 2-3 * * *",
  "0 0 1 * MON",
  "@hourly",
] as const;

/** The schedules that a plugin may declare. */
const DECLARABLE = ["d1", "d2", "d3"] as const;
const PLUGIN = { kind: "plugin", name: "alpha" } as const;

type Act = "create" | "update" | "pause" | "resume" | "delete";

export class People {
  readonly #scene: Scene;
  /** Schedules that somebody knows of, with the state that was answered last. */
  readonly #known = new Map<string, ScheduleState>();
  /** Those with an act on its way: two at once have no order. */
  readonly #busy = new Map<string, number>();
  #made = 0;
  #acts = 0;
  /** What was declared last, to be declared again. */
  readonly #declared = new Map<string, NewSchedule>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Makes the first schedules and goes on until times are calm. */
  start(): void {
    const { swarm, world, dice } = this.#scene;
    for (let i = 0; i < swarm.schedules; i++)
      world.later(dice.people.between(1, 30_000), "people create", () => this.#act("create"));
    this.#scene.every(swarm.declareMs, dice.people, "plugin declares", () => this.#declare());
    const acts = ["create", "update", "update", "pause", "resume", "resume", "delete"] as const;
    this.#scene.every(swarm.peopleMs, dice.people, "people act", () => this.#act(dice.people.pick(acts)));
  }

  #act(act: Act): void {
    const { host, world, dice } = this.#scene;
    if (!host) return;
    const live = [...this.#known].filter(([, state]) => state !== "deleted").map(([id]) => id);
    if (act === "create" && live.length >= this.#scene.swarm.schedules + 2) return;
    const id = act === "create" ? `SC_${++this.#made}` : dice.people.any(live);
    if (id === undefined || this.#busy.has(id)) return;
    const number = ++this.#acts;
    this.#busy.set(id, number);
    world.later(LATENCY_MS, `${act} ${id}`, () => this.#do(host, act, id), host);
    const goOn = () => void (this.#busy.get(id) === number && this.#busy.delete(id));
    world.later(NO_ANSWER_MS, "people go on", goOn);
  }

  #do(host: SimHost, act: Act, id: string): void {
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
      const schedule = this.#newSchedule(`SC_${declaredId}`);
      const same = dice.people.chance(0.7) ? this.#declared.get(declaredId) : undefined;
      return same ?? { ...schedule, name: "", owner: PLUGIN, declaredId, paused: null };
    });
    for (const schedule of declared) this.#declared.set(schedule.declaredId, schedule);
    if (!host) return;
    const ask = () =>
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
        return schedules.create(this.#newSchedule(id));
      case "update":
        return schedules.update(id, this.#change());
      case "pause":
        return schedules.pause(id, { note: "a reason", by: "somebody", until: this.#pauseEnd() });
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
    const declared = row !== undefined && row.declaredId !== "" && row.revision >= revision; // Its plugin came in between.
    const byHost = row?.state === "paused" && (row.pause ?? "").includes('"by":"host"'); // Too many runs failed.
    if (!exact && !declared && !byHost)
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

  #pauseEnd(): Millis | null {
    const { world, dice } = this.#scene;
    return dice.people.chance(0.4) ? world.wall() + dice.people.between(2_000, 60_000) : null;
  }

  #newSchedule(id: string): NewSchedule {
    const { people } = this.#scene.dice;
    const token = id.replace("SC_", "s");
    return {
      id,
      name: people.chance(0.3) ? token : "",
      tenant: "",
      owner: OWNER,
      declaredId: "",
      target: { kind: "handler", handler: people.pick(HANDLERS) },
      payload: new TextEncoder().encode(JSON.stringify({ token })),
      spec: this.#spec(),
      timezone: people.pick(ZONES),
      policy: this.#policy(),
      locking: people.chance(0.2) ? "node-local" : "require-global",
      paused: people.chance(0.1) ? { note: "not yet", by: "somebody" } : null,
      description: "",
      metadata: {},
    };
  }

  #spec(): Spec {
    const { world, dice } = this.#scene;
    const { people } = dice;
    switch (people.between(1, 5)) {
      case 1:
        return {
          kind: "cron",
          cron: [people.pick(CRONS), ...(people.chance(0.3) ? [people.pick(CRONS)] : [])],
        };
      case 2: {
        const count = people.between(1, 6);
        const instants = Array.from({ length: count }, () => world.wall() + people.between(-30_000, 180_000));
        return { kind: "at", instants };
      }
      default:
        return { kind: "every", everyMs: people.pick([1_000, 2_500, 7_000, 15_000, 60_000, 3_600_000]) };
    }
  }

  #policy(): Policy {
    const { world, dice } = this.#scene;
    const { people } = dice;
    return {
      ...POLICY_DEFAULT,
      overlap: people.pick(OVERLAPS),
      missed: people.pick(["latest", "skip", "earliest", "all"]),
      missedMax: people.between(1, 5),
      missedWindowMs: people.pick([POLICY_DEFAULT.missedWindowMs, 30_000, 300_000]),
      latenessMaxMs: people.pick([POLICY_DEFAULT.latenessMaxMs, 10_000, 120_000]),
      jitterMs: people.pick([0, 0, 0, 500, 20_000]),
      dstGap: people.pick(["run-after", "skip"]),
      dstFold: people.pick(["first", "second", "both"]),
      startAt: people.chance(0.15) ? world.wall() + people.between(-60_000, 60_000) : null,
      endAt: people.chance(0.15) ? world.wall() + people.between(10_000, 240_000) : null,
      runsMax: people.chance(0.2) ? people.between(1, 8) : null,
      blackouts: people.chance(0.15) ? [this.#blackout(), this.#blackout()] : [],
      pauseAfterFailures: people.chance(0.15) ? people.between(1, 3) : null,
      maxAttempts: people.between(1, 3),
      retry: { kind: "fixed", baseMs: people.between(1, 3_000), maxMs: 3_000 },
      timeoutMs: people.between(2_000, 15_000),
    };
  }

  #blackout(): Blackout {
    const { world, dice } = this.#scene;
    const from = world.wall() + dice.people.between(-20_000, 90_000);
    return { from, to: from + dice.people.between(1_000, 60_000), note: "" };
  }

  #change(): ScheduleChange {
    const { people } = this.#scene.dice;
    return {
      description: "changed",
      ...(people.chance(0.4) ? { spec: this.#spec() } : {}),
      ...(people.chance(0.3) ? { policy: this.#policy() } : {}),
      ...(people.chance(0.2) ? { timezone: people.pick(ZONES) } : {}),
      ...(people.chance(0.1) ? { locking: people.pick(["node-local", "require-global"]) } : {}),
      ...(people.chance(0.1) ? { target: { kind: "handler", handler: people.pick(HANDLERS) } } : {}),
    };
  }
}
