/** Blackout oracle: whoever observes a named blackout has the spans that it stands for, as soon as it was set. */
import type { Millis } from "../../internal/base/env.ts";
import type { BlackoutRange } from "../../internal/schedule/named-blackout.ts";
import type { Policy } from "../../internal/schedule/schedule.ts";
import type { BlackoutRecord } from "./journal.ts";
import type { World } from "./world.ts";

export class BlackoutOracle {
  readonly #world: World;
  readonly #set = new Map<string, BlackoutRecord>();
  #changed = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** True for a name that is set. */
  has(name: string): boolean {
    return this.#set.has(name);
  }

  /** Somebody set one, or it is gone. */
  changed(row: BlackoutRecord, isThere: boolean): void {
    if (isThere) this.#set.set(row.name, row);
    else this.#set.delete(row.name);
    this.#changed = true;
  }

  /** After every event. `policies` are those of all schedules that are not deleted. */
  checkTurn(policies: () => Iterable<[id: string, policy: Policy]>): void {
    if (!this.#changed) return;
    this.#changed = false;
    for (const [id, policy] of policies()) this.#check(id, policy);
  }

  #check(id: string, { blackouts, blackoutNames }: Policy): void {
    const own = blackouts.flatMap(({ of, from, to }) => (of === undefined ? [] : [[of, from, to]]));
    const wanted = blackoutNames.flatMap((name) => spansOf(this.#set.get(name)));
    if (JSON.stringify(own) === JSON.stringify(wanted)) return;
    const said = `${id} observes ${JSON.stringify(own)}; its blackouts are ${JSON.stringify(wanted)}`;
    this.#world.violate("promise", said);
  }
}

/** The spans that a named blackout stands for. */
function spansOf(blackout: BlackoutRecord | undefined): [name: string, from: Millis, to: Millis][] {
  if (!blackout) return [];
  const { name, timezone, ranges } = blackout;
  const instant = (text: string, days: number) =>
    text.length > 10
      ? Date.parse(text)
      : Temporal.PlainDate.from(text).add({ days }).toZonedDateTime({ timeZone: timezone }).epochMilliseconds;
  return (JSON.parse(ranges) as BlackoutRange[]).map(({ from, to }) => [
    name,
    instant(from, 0),
    instant(to, 1),
  ]);
}
