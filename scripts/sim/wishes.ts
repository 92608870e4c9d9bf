/**
 * Wishes: what people and plugins of a world want of their schedules, drawn by chance:
 * every kind of spec, every policy, and times around those at which clocks change.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { BlackoutRange } from "../../internal/schedule/named-blackout.ts";
import {
  type Blackout,
  LOCKINGS,
  MISSED_POLICIES,
  type Owner,
  OVERLAP_POLICIES,
  type Policy,
  POLICY_DEFAULT,
  type Spec,
} from "../../internal/schedule/schedule.ts";
import type { NewBlackout } from "../../internal/store/blackouts.ts";
import type { NewSchedule, ScheduleChange } from "../../internal/store/schedules.ts";
import { ZONES } from "./calendar.ts";
import type { Scene } from "./scene.ts";

export const HANDLERS = ["a.work", "a.few", "b.work", "gamma/g.work", "late.work"] as const;

/** Names of the blackouts that somebody may set. */
export const BLACKOUT_NAMES = ["holidays", "freeze"] as const;

const OWNER: Owner = { kind: "person", name: "operator" };
const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

export class Wishes {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  schedule(id: string): NewSchedule {
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
      timezone: this.#zone(),
      policy: this.#policy(),
      locking: people.pick(LOCKINGS_USED),
      paused: people.chance(0.1) ? { note: "not yet", by: "somebody", until: this.pauseEnd() } : null,
      description: "",
      metadata: {},
    };
  }

  change(): ScheduleChange {
    const { people } = this.#scene.dice;
    return {
      description: "changed",
      ...(people.chance(0.4) && { spec: this.#spec() }),
      ...(people.chance(0.4) && { policy: this.#policy() }),
      ...(people.chance(0.3) && { timezone: this.#zone() }),
      ...(people.chance(0.1) && { locking: people.pick(LOCKINGS_USED) }),
      ...(people.chance(0.1) && { target: { kind: "handler", handler: people.pick(HANDLERS) } as const }),
    };
  }

  pauseEnd(): Millis | null {
    const { world, dice } = this.#scene;
    return dice.people.chance(0.5) ? world.wall() + dice.people.between(2 * SECOND, MINUTE) : null;
  }

  blackout(name: string): NewBlackout {
    const { people } = this.#scene.dice;
    const ranges = Array.from({ length: people.between(1, 3) }, () => this.#range());
    return { name, timezone: this.#zone(), description: "", ranges };
  }

  /** Two instants, or a day as the calendar on some wall has it. */
  #range(): BlackoutRange {
    const { world, dice } = this.#scene;
    if (dice.people.chance(0.1)) {
      const date = new Date(world.wall() + dice.people.pick([-24, 0, 24]) * HOUR).toISOString().slice(0, 10);
      return { from: date, to: date, note: "a day" };
    }
    const { from, to } = this.#span();
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), note: "" };
  }

  /** Near enough to be met. */
  #span(): { from: Millis; to: Millis } {
    const { world, dice } = this.#scene;
    const from = world.wall() + dice.people.between(-20 * SECOND, 90 * SECOND);
    return { from, to: from + dice.people.between(SECOND, MINUTE) };
  }

  #zone(): string {
    const { swarm, dice } = this.#scene;
    return dice.people.chance(0.6) ? swarm.zone : dice.people.pick(ZONES);
  }

  #spec(): Spec {
    const { world, dice, swarm } = this.#scene;
    const { people } = dice;
    switch (people.between(1, 7)) {
      case 1:
      case 2:
      case 3: {
        const count = people.pick([1, 1, 2, 3]);
        return {
          kind: "cron",
          cron: Array.from({ length: count }, () => people.any(swarm.crons) ?? "* * * * *"),
        };
      }
      case 4: {
        const count = people.between(1, 6);
        const instants = Array.from({ length: count }, () => world.wall() + people.between(-30_000, 180_000));
        return { kind: "at", instants };
      }
      default:
        return { kind: "every", everyMs: people.pick([1_000, 2_500, 7_000, 15_000, 60_000, 3_600_000]) };
    }
  }

  #policy(): Policy {
    const { people } = this.#scene.dice;
    return {
      ...POLICY_DEFAULT,
      overlap: people.pick(["skip", ...OVERLAP_POLICIES]),
      missed: people.pick(MISSED_POLICIES),
      missedMax: people.between(1, 5),
      missedWindowMs: people.pick([POLICY_DEFAULT.missedWindowMs, 30_000, 300_000]),
      latenessMaxMs: people.pick([POLICY_DEFAULT.latenessMaxMs, 10_000, 120_000]),
      jitterMs: people.pick([0, 0, 0, 500, 20_000]),
      dstGap: people.pick(["run-after", "skip"]),
      dstFold: people.pick(["first", "second", "both"]),
      ...this.#bounds(),
      blackouts: people.chance(0.15) ? [this.#blackout(), this.#blackout()] : [],
      blackoutNames: this.#names(),
      pauseAfterFailures: people.chance(0.4) ? people.between(1, 3) : null,
      maxAttempts: people.between(1, 3),
      retry: { kind: "fixed", baseMs: people.between(1, 3_000), maxMs: 3_000 },
      timeoutMs: people.between(2_000, 15_000),
      mustStartWithinMs: people.pick([null, 1_000, 1_000, 5_000, 30_000]),
      mustSucceedWithinMs: people.pick([null, null, 2_000, 10_000, 60_000]),
    };
  }

  #bounds(): Pick<Policy, "startAt" | "endAt" | "runsMax"> {
    const { world, dice } = this.#scene;
    const { people } = dice;
    return {
      startAt: people.chance(0.15) ? world.wall() + people.between(-60_000, 60_000) : null,
      endAt: people.chance(0.15) ? world.wall() + people.between(10_000, 240_000) : null,
      runsMax: people.chance(0.2) ? people.between(1, 8) : null,
    };
  }

  /** Those that are there; asking for one that is deleted meanwhile is refused. */
  #names(): string[] {
    const { dice, blackouts } = this.#scene;
    return BLACKOUT_NAMES.filter((name) => blackouts.has(name) && dice.people.chance(0.4));
  }

  #blackout(): Blackout {
    return { ...this.#span(), note: "" };
  }
}

/** Mostly what most schedules have. */
const LOCKINGS_USED = ["require-global", "require-global", ...LOCKINGS] as const;
