/**
 * Joining: plugins that are ready join together: their handlers and endpoints are registered in one
 * step, whoever lost a name to another is told, and so is everybody else of the services
 * that have come with them.
 */
import type { Log } from "../base/log.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import type { Conflict, Registry } from "../pulse/registry.ts";
import type { Providers } from "./providers.ts";
import type { Supervisor } from "./supervisor.ts";

interface JoiningOptions {
  log: Log;
  registry: Registry;
  providers: Providers;
  /** Those that stand for their names now. */
  supervisors(): Iterable<Supervisor>;
  /** A plugin announced what others keep. */
  onRefused(plugin: string, reason: string): void;
}

export class Joining {
  readonly #options: JoiningOptions;

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  /** One step for all of them. */
  register(joining: readonly Supervisor[]): void {
    const { log, registry } = this.#options;
    const step = joining.flatMap(({ session, handlers, endpoints }) =>
      session ? [{ executor: session.proxy, handlers, endpoints }] : [],
    );
    log.info("[plugin-loader] Registering plugin async handlers with Pulse", { plugins: step.length });
    const conflicts = registry.register(step);
    for (const { executor, handlers } of step) {
      for (const { name } of handlers) {
        log.info("[plugin-loader] Registering plugin async handler", {
          plugin: executor.plugin,
          handler: name,
        });
      }
    }
    const count = step.reduce((sum, { handlers }) => sum + handlers.length, 0);
    log.info("[plugin-loader] Plugin async handler registration complete", { handlers: count });
    this.#tellConflicts(conflicts, new Set(joining));
    this.#tellProviders(joining);
  }

  /** The names of a plugin that has ended are free. */
  forget(name: string): void {
    this.#tellConflicts(this.#options.registry.forget(name), new Set());
  }

  /** Tells everybody what others provide now, where that is other than what they were told. */
  tellServices(): void {
    for (const { session } of this.#options.supervisors()) void session?.renew();
  }

  /** Who provides other services than before, or is back with them, is told of to all others. */
  #tellProviders(joining: readonly Supervisor[]): void {
    const told = joining.filter(({ name: plugin, announcement }) => {
      if (!announcement) return false;
      const { provides: services } = announcement;
      return this.#options.providers.said({ plugin, services }) || services.length > 0;
    });
    if (told.length > 0) this.tellServices();
  }

  #tellConflicts(conflicts: readonly Conflict[], joining: ReadonlySet<Supervisor>): void {
    for (const supervisor of this.#options.supervisors()) {
      const lost = conflicts.filter(({ loser }) => loser === supervisor.name);
      const sentences = lost.map(conflictText);
      supervisor.setConflicts(
        lost.map(({ handler }) => handler),
        sentences.join(" "),
      );
      if (!joining.has(supervisor) || lost.length === 0) continue;
      for (const sentence of sentences) this.#options.log.warn(sentence);
      this.#options.onRefused(supervisor.name, `announced what others keep. ${sentences.join(" ")}`);
    }
  }
}

function conflictText({ handler, keeper, loser }: Conflict): string {
  const other = laneOf({ ...partsOf(handler), plugin: loser });
  return `Handler ${handler} stays with plugin ${keeper}; that of plugin ${loser} is reachable as ${other}.`;
}
