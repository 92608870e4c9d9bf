/**
 * Registry: which plugin runs which handler on this node.
 *
 * It changes in steps. A step takes everything that is ready at that moment and
 * becomes visible at once, so that no job meets a half-built registry. A name
 * stays with the plugin that holds it; among newcomers of one step the order
 * given decides. Who loses keeps the qualified name `<plugin>/<handler>`.
 */
import type { HandlerOptions } from "../plugin/plugin.ts";
import type { Executor, Registration } from "./executor.ts";

/** A lane is what jobs queue in: a handler's name, or `<plugin>/<handler>` where a job was addressed so. */
export interface Lane {
  readonly name: string;
  readonly executor: Executor;
  readonly options: HandlerOptions;
}

export interface Conflict {
  handler: string;
  /** The plugin that has the name. */
  keeper: string;
  /** The plugin that wanted it as well. */
  loser: string;
}

/** The lane of a job. */
export function laneOf(handler: string, plugin: string): string {
  return plugin === "" ? handler : `${plugin}/${handler}`;
}

export class Registry {
  #lanes = new Map<string, Lane>();
  /** What each plugin announced, lost names included, so that a name can pass on when its keeper goes. */
  readonly #announced = new Map<string, Registration>();

  /** Adds or replaces what these plugins offer, in one step. Returns the names that somebody else keeps. */
  register(step: readonly Registration[]): Conflict[] {
    for (const registration of step) this.#announced.set(registration.executor.plugin, registration);
    return this.#rebuild();
  }

  /** Takes away what a plugin offered; a name it kept passes to the next plugin that announced it. */
  unregister(plugin: string): void {
    if (this.#announced.delete(plugin)) this.#rebuild();
  }

  lane(name: string): Lane | undefined {
    return this.#lanes.get(name);
  }

  lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** Names of all handlers a plugin runs, as announced, without those it lost. */
  handlersOf(plugin: string): string[] {
    const announced = this.#announced.get(plugin)?.handlers ?? [];
    return announced.flatMap(({ name }) => (this.#lanes.get(name)?.executor.plugin === plugin ? [name] : []));
  }

  /** Builds the next map beside the present one and swaps it in. */
  #rebuild(): Conflict[] {
    const next = new Map<string, Lane>();
    const conflicts: Conflict[] = [];
    const keep = (registration: Registration, options: HandlerOptions) =>
      next.set(options.name, { name: options.name, executor: registration.executor, options });

    for (const registration of this.#announced.values()) {
      for (const options of registration.handlers) {
        const keeper = this.#lanes.get(options.name)?.executor.plugin;
        if (keeper === registration.executor.plugin) keep(registration, options);
      }
    }
    for (const registration of this.#announced.values()) {
      const { plugin } = registration.executor;
      for (const options of registration.handlers) {
        const qualified = `${plugin}/${options.name}`;
        next.set(qualified, { name: qualified, executor: registration.executor, options });
        const keeper = next.get(options.name)?.executor.plugin;
        if (keeper === undefined) keep(registration, options);
        else if (keeper !== plugin) conflicts.push({ handler: options.name, keeper, loser: plugin });
      }
    }
    this.#lanes = next;
    return conflicts;
  }
}
