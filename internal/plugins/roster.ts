/**
 * Roster: who stands for which name, in their order, whether it came by an install or by
 * the configuration, and whether it is switched on. One plugin is changed by one at a time.
 */
import { Fault, shown } from "../base/fault.ts";
import { laneOf } from "../job/lane.ts";
import { lanesOfEndpoints } from "../pulse/registry.ts";
import type { Supervisor } from "./supervisor.ts";

export class Roster {
  readonly #supervisors = new Map<string, Supervisor>();
  readonly #installed = new Set<string>();
  readonly #switchedOff: Set<string>;
  /** Names of those that somebody upgrades, stops or restarts just now. */
  readonly #changing = new Set<string>();

  /** These names are switched off, whoever comes under them. */
  constructor(switchedOff: readonly string[]) {
    this.#switchedOff = new Set(switchedOff);
  }

  /** All of them, in the order in which they stand for a name. */
  all(): Supervisor[] {
    return [...this.#supervisors.values()];
  }

  has(name: string): boolean {
    return this.#supervisors.has(name);
  }

  /** Throws a Fault that names those that there are. */
  get(name: string): Supervisor {
    const supervisor = this.#supervisors.get(name);
    if (supervisor) return supervisor;
    const known = [...this.#supervisors.keys()].join(", ");
    throw new Fault("not-found", `There is no plugin ${shown(name)}.`, {
      hint: known ? `There are: ${known}.` : "No plugin is enabled.",
    });
  }

  /** One that is switched on. Throws a Fault for another. */
  wanted(name: string): Supervisor {
    const supervisor = this.get(name);
    if (this.isOn(name)) return supervisor;
    throw new Fault("conflict", `Plugin ${name} is switched off.`, {
      hint: `Switch it on with: qntx plugin enable ${name}`,
    });
  }

  /** What an old version still says when another has taken its place is nobody's business. */
  isCurrent(supervisor: Supervisor): boolean {
    return this.#supervisors.get(supervisor.name) === supervisor;
  }

  isInstalled(name: string): boolean {
    return this.#installed.has(name);
  }

  isOn(name: string): boolean {
    return !this.#switchedOff.has(name);
  }

  switch(name: string, isOn: boolean): void {
    if (isOn) this.#switchedOff.delete(name);
    else this.#switchedOff.add(name);
  }

  /** Puts one in the place of its name. */
  set(supervisor: Supervisor): void {
    this.#supervisors.set(supervisor.name, supervisor);
  }

  /** One that was installed. Throws a Fault when another has its name. */
  install(supervisor: Supervisor): void {
    if (this.has(supervisor.name)) throw taken(supervisor.name);
    this.set(supervisor);
    this.#installed.add(supervisor.name);
  }

  /** Its name is free, and nothing is known of it. */
  forget(name: string): void {
    this.#supervisors.delete(name);
    this.#installed.delete(name);
    this.#switchedOff.delete(name);
  }

  /** Who announces the handler of a lane, or announced it last; null when nobody ever did. */
  offers(lane: string): string | null {
    for (const { name: plugin, tenant, handlers, endpoints } of this.#supervisors.values()) {
      const isOffered = handlers.some(
        ({ name: handler }) =>
          laneOf({ tenant, handler }) === lane || laneOf({ tenant, plugin, handler }) === lane,
      );
      if (isOffered || lanesOfEndpoints({ plugin, tenant }, endpoints).includes(lane)) return plugin;
    }
    return null;
  }

  /** Two changes of one plugin at once would leave a process behind that nobody knows. */
  async alone<T>(name: string, change: () => Promise<T>): Promise<T> {
    this.refuseChanging(name);
    this.#changing.add(name);
    try {
      return await change();
    } finally {
      this.#changing.delete(name);
    }
  }

  /** Throws a Fault while somebody changes it. */
  refuseChanging(name: string): void {
    if (!this.#changing.has(name)) return;
    throw new Fault("conflict", `Plugin ${name} is being upgraded, stopped or restarted just now.`, {
      hint: "Try again when that is done.",
    });
  }
}

/** Says that one was installed under a name that the configuration enables. */
export function taken(name: string): Fault {
  return new Fault(
    "conflict",
    `There is a plugin ${shown(name)} already; what was installed under that name is not started.`,
    {
      hint: `Take one of them away: from enabled under [plugin] in qntx.toml, or with qntx plugin remove ${name}`,
    },
  );
}
