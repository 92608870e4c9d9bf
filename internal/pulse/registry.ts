/**
 * Registry: which plugin runs which handler on this node.
 *
 * It changes in steps. A step takes everything that is ready at that moment and
 * becomes visible at once, so that no job meets a half-built registry. A name
 * stays with the plugin that got it first, also while that plugin is down: its
 * jobs wait for it. Among newcomers of one step the order given decides. Who
 * loses keeps the qualified name `<plugin>/<handler>`. Each tenant has names of its
 * own: what two of them run never meets.
 *
 * An endpoint is only ever known by its plugin, `<plugin>/POST /sync`, so nobody loses one;
 * and when its plugin is up without it, nobody else will come: what still waits for it fails.
 */
import type { PluginEndpoint } from "../access/principal.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import { endpointName, isEndpoint } from "../plugin/endpoint.ts";
import type { HandlerOptions } from "../plugin/plugin.ts";
import type { Executor, Registration } from "./executor.ts";

/** A lane that somebody serves. */
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

/** Limits over what a plugin announces; by handler. */
export type ConfiguredLimits = Pick<HandlerOptions, "name"> & Partial<HandlerOptions>;

export interface RegistryOptions {
  configured?: readonly ConfiguredLimits[];
  /** Called when lanes have changed, before anybody can ask for their jobs. */
  onChange?: (lanes: Iterable<Lane>) => void;
}

/** What a schedule says counts; a plugin says nothing about how its routes are called. */
const ENDPOINT_OPTIONS = { timeoutMs: null, maxAttempts: null, concurrency: null, description: "" };

/** The lanes of a plugin's endpoints that schedules may call. */
export function lanesOfEndpoints(
  { plugin, tenant }: { plugin: string; tenant?: string },
  endpoints: readonly PluginEndpoint[],
): string[] {
  return endpoints.flatMap((endpoint) =>
    endpoint.schedulable ? [laneOf({ tenant, plugin, handler: endpointName(endpoint) })] : [],
  );
}

export class Registry {
  readonly #options: RegistryOptions;
  #lanes = new Map<string, Lane>();
  /** What each plugin announced, lost names included, so that a name can pass on when its keeper is forgotten. */
  readonly #announced = new Map<string, Registration>();
  /** Who got a name first. */
  readonly #keepers = new Map<string, string>();

  constructor(options: RegistryOptions = {}) {
    this.#options = options;
  }

  /** Adds or replaces what these plugins offer, in one step. Returns the names that somebody else keeps. */
  register(step: readonly Registration[]): Conflict[] {
    for (const registration of step) this.#announced.set(registration.executor.plugin, registration);
    return this.#rebuild();
  }

  /** Takes away what a plugin offered: it is down. Its names wait for it. */
  unregister(plugin: string): void {
    if (this.#announced.delete(plugin)) this.#rebuild();
  }

  /** A plugin that is up says that it does not know a handler it announced: it has given it up, until it announces again. */
  disown({ executor, options }: Lane): void {
    const announced = this.#announced.get(executor.plugin);
    if (announced?.executor !== executor) return;
    const handlers = announced.handlers.filter(({ name }) => name !== options.name);
    this.#announced.set(executor.plugin, { ...announced, handlers });
    this.#rebuild();
  }

  /** Takes away what a plugin offered, for good: its names pass to the next plugin that announced them. */
  forget(plugin: string): Conflict[] {
    this.#announced.delete(plugin);
    for (const [name, keeper] of this.#keepers) if (keeper === plugin) this.#keepers.delete(name);
    return this.#rebuild();
  }

  /** What plugins offer under a name. */
  offered(name: string): Lane | undefined {
    return this.#lanes.get(name);
  }

  /** Who ends the jobs of a lane, one way or the other. */
  lane(name: string): Lane | undefined {
    return this.#lanes.get(name) ?? this.#vanished(name);
  }

  /** The lane of an endpoint that its plugin, which is up, does not have. */
  #vanished(name: string): Lane | undefined {
    if (!isEndpoint(name)) return undefined;
    const { tenant, plugin, handler } = partsOf(name);
    const executor = this.#announced.get(plugin)?.executor;
    if (!executor || (executor.tenant ?? "") !== tenant) return undefined;
    return {
      name,
      executor: withoutEndpoint(executor),
      options: { ...ENDPOINT_OPTIONS, name: handler },
    };
  }

  /** The plugin that a name waits for, or that has it. */
  keeper(name: string): string | undefined {
    return this.#keepers.get(name);
  }

  lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** Names of all handlers a plugin runs, as announced, without those it lost. */
  handlersOf(plugin: string): string[] {
    const { executor, handlers } = this.#announced.get(plugin) ?? { handlers: [] };
    const kept = (handler: string) => this.#keepers.get(laneOf({ tenant: executor?.tenant, handler }));
    return handlers.flatMap(({ name }) => (kept(name) === plugin ? [name] : []));
  }

  /** Builds the next map beside the present one and swaps it in. */
  #rebuild(): Conflict[] {
    this.#dropUnannounced();
    const next = new Map<string, Lane>();
    const conflicts: Conflict[] = [];
    for (const { executor, handlers, endpoints = [] } of this.#announced.values()) {
      for (const lane of lanesOfEndpoints(executor, endpoints))
        next.set(lane, {
          name: lane,
          executor,
          options: { ...ENDPOINT_OPTIONS, name: partsOf(lane).handler },
        });
      for (const announced of handlers) {
        const { plugin, tenant } = executor;
        const name = laneOf({ tenant, handler: announced.name });
        const options = this.#limited(announced, name);
        const keeper = this.#keeperOf(name, plugin);
        const qualified = laneOf({ tenant, plugin, handler: announced.name });
        for (const lane of keeper === plugin ? [qualified, name] : [qualified])
          next.set(lane, { name: lane, executor, options });
        if (keeper !== plugin) conflicts.push({ handler: name, keeper, loser: plugin });
      }
    }
    this.#lanes = next;
    this.#options.onChange?.(next.values());
    return conflicts;
  }

  #limited(announced: HandlerOptions, name: string): HandlerOptions {
    const configured = this.#options.configured?.find((limits) => limits.name === name);
    return configured ? { ...announced, ...configured, name: announced.name } : announced;
  }

  #keeperOf(name: string, newcomer: string): string {
    const keeper = this.#keepers.get(name) ?? newcomer;
    this.#keepers.set(name, keeper);
    return keeper;
  }

  /** A plugin that is up and no longer announces a name has given it up: it passes on in this very step. */
  #dropUnannounced(): void {
    for (const [name, keeper] of this.#keepers) {
      const announced = this.#announced.get(keeper);
      if (!announced) continue;
      const { executor, handlers } = announced;
      const isAnnounced = handlers.some(
        (options) => laneOf({ tenant: executor.tenant, handler: options.name }) === name,
      );
      if (!isAnnounced) this.#keepers.delete(name);
    }
  }
}

/** Fails each attempt for good: it is told, and can be retried when the plugin has the endpoint again. */
function withoutEndpoint(executor: Executor): Executor {
  const { plugin, tenant = "", version } = executor;
  return {
    plugin,
    tenant,
    version,
    get concurrency() {
      return executor.concurrency;
    },
    replace: (reason) => executor.replace(reason),
    execute: async ({ job: { handler } }) => ({
      kind: "failed",
      message: `Plugin ${plugin} has no ${handler} as an endpoint that schedules may call.`,
      errorKind: "endpoint",
      permanent: true,
      retryAfterMs: 0,
      cost: 0,
    }),
  };
}
