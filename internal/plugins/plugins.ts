/**
 * Plugins: all plugins of this host, from the first start to the last end.
 *
 * They start side by side. When every one is settled (ready, failed, or past
 * the deadline and therefore late) the handlers of all that are ready are
 * registered in one step, in the configured order, so that no job meets a
 * half-built registry. Whoever comes later joins by a step of its own.
 *
 * A plugin whose process is gone offers nothing until the next one is ready;
 * its jobs wait, and `offers` says for whom.
 */
import { join } from "node:path";
import type { HTTPResponse } from "../../proto/gen/protocol/domain.ts";
import { grantLine } from "../access/capability.ts";
import { Fault, shown } from "../base/fault.ts";
import { aborted, type Service, type StopSignals } from "../base/lifecycle.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import type { Conflict, Registry } from "../pulse/registry.ts";
import { checkPluginName, findPlugin, type FindOptions } from "./find.ts";
import type { Announcement } from "./guard.ts";
import { forwardHttp, type PluginHttpRequest } from "./http.ts";
import { Leftovers } from "./leftovers.ts";
import { PluginLocks } from "./locks.ts";
import { PLUGIN_LIMITS, type PluginLimits } from "./limits.ts";
import type { HostSide } from "./open.ts";
import { orNothing } from "./patience.ts";
import { Ports } from "./ports.ts";
import type { PrintedLine } from "./process.ts";
import { surviveStrays } from "./stray.ts";
import { Supervisor } from "./supervisor.ts";

export interface PluginsOptions extends Omit<HostSide, "leftovers" | "limits" | "ports"> {
  registry: Registry;
  /** Names from `[plugin] enabled`, in their order. */
  enabled: readonly string[];
  find: FindOptions;
  limits?: Partial<PluginLimits>;
  /** A plugin's state, handlers or conflicts changed. */
  onChange?(status: PluginStatus): void;
  /** A plugin is not started again until somebody has done something. */
  onGaveUp?(plugin: string, reason: string): void;
  /** A plugin printed a line. */
  onLine?(plugin: string, line: PrintedLine): void;
}

export class Plugins implements Service {
  readonly name = "plugins";
  readonly #options: PluginsOptions;
  readonly #host: HostSide;
  readonly #supervisors = new Map<string, Supervisor>();
  readonly #settled = Promise.withResolvers<void>();
  #isSettled = false;

  constructor(options: PluginsOptions) {
    this.#options = options;
    const limits = { ...PLUGIN_LIMITS, ...options.limits };
    const leftovers = new Leftovers(options.env, join(options.home, "plugins.run.json"));
    this.#host = { ...options, limits, leftovers, ports: new Ports(options.env) };
    // Bundled ones first: a name of ours is kept by ours.
    for (const name of new Set([...options.find.bundled, ...options.enabled])) {
      checkPluginName(name);
      this.#supervisors.set(name, this.#supervise(name));
    }
  }

  /** Resolves when the first step is done: from now on jobs may be claimed. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Starts all plugins and keeps them running until `stop`; then waits for running jobs until `abort`, and ends them. */
  async run({ stop, abort }: StopSignals): Promise<void> {
    const { env, limits, leftovers, log } = this.#host;
    using _ = surviveStrays(log);
    const ended = await leftovers.end();
    if (ended > 0)
      log.warn("processes of an earlier run were still there and are ended", { processes: ended });

    const all = [...this.#supervisors.values()];
    for (const supervisor of all) supervisor.start();
    const settled = Promise.all(all.map((supervisor) => supervisor.settled()));
    await Promise.race([orNothing(env, limits.startupMs, settled), aborted(stop)]);
    for (const supervisor of all) supervisor.markLate();
    this.#isSettled = true;
    this.#register(all);
    this.#settled.resolve();

    await aborted(stop);
    for (const supervisor of all) supervisor.retire();
    const idle = Promise.all(all.map((supervisor) => supervisor.session?.proxy.idle()));
    await Promise.race([idle, aborted(abort)]);
    await Promise.all(all.map((supervisor) => supervisor.stop()));
  }

  /** All plugins, in the order in which they stand for a name. */
  statuses(): PluginStatus[] {
    return [...this.#supervisors.values()].map((supervisor) => supervisor.status());
  }

  status(name: string): PluginStatus {
    return this.#get(name).status();
  }

  /** The newest lines that a plugin printed. */
  logsOf(name: string): string[] {
    return this.#get(name).lines();
  }

  /** Of these, the ones behind the first `after`, for who has seen those; and how many it has printed by now. */
  logsAfter(name: string, after: number): { lines: string[]; printed: number } {
    return this.#get(name).linesAfter(after);
  }

  /** What a plugin said about itself: capabilities, endpoints, watchers. Null while it is not ready. */
  announcementOf(name: string): Announcement | null {
    return this.#get(name).announcement;
  }

  /** The locks that a plugin keeps, whoever runs as it when they are asked for. */
  locks(name: string): PluginLocks {
    return new PluginLocks(this.#get(name));
  }

  /** The known plugin that announces a handler, or announced it last; null when none ever did. */
  offers(handler: string): string | null {
    for (const { name, handlers } of this.#supervisors.values()) {
      if (handlers.some((option) => option.name === handler || `${name}/${option.name}` === handler))
        return name;
    }
    return null;
  }

  start(name: string): void {
    this.#get(name).start();
  }

  /** Resolves when nothing of the plugin is left; the names of its handlers are free then. */
  async stop(name: string): Promise<void> {
    await this.#get(name).stop();
    this.#tellConflicts(this.#options.registry.forget(name), new Set());
  }

  /** Ends the plugin and starts it again; resolves when that start has ended one way or the other, or is late. */
  async restart(name: string): Promise<PluginStatus> {
    const supervisor = this.#get(name);
    await supervisor.restart();
    const { env, limits } = this.#host;
    await orNothing(env, limits.startupMs, supervisor.settled());
    supervisor.markLate();
    return supervisor.status();
  }

  /** Hands a request to a plugin. Throws a Fault when it is not there to answer. */
  async http(name: string, request: PluginHttpRequest): Promise<HTTPResponse> {
    const supervisor = this.#get(name);
    if (!this.#host.capabilitiesOf(name).has("cap:http.serve"))
      throw new Fault("denied", `Plugin ${name} lacks cap:http.serve, and answers no requests.`, {
        hint: `Grant it with: ${grantLine(name, ["cap:http.serve"])}`,
      });
    return forwardHttp(supervisor, { usualMs: this.#host.limits.httpMs, request });
  }

  /** Ends every process at once, because this host is about to end without being asked. */
  async killAll(): Promise<void> {
    // Stopped, and not crashed: its jobs must not pay for that, and no process is started in its place.
    for (const supervisor of this.#supervisors.values()) void supervisor.stop();
    await this.#host.leftovers.endPresent();
  }

  #get(name: string): Supervisor {
    const supervisor = this.#supervisors.get(name);
    if (supervisor) return supervisor;
    const known = [...this.#supervisors.keys()].join(", ");
    throw new Fault("not-found", `There is no plugin ${shown(name)}.`, {
      hint: known ? `There are: ${known}.` : "No plugin is enabled.",
    });
  }

  #supervise(name: string): Supervisor {
    return new Supervisor(this.#host, name, {
      find: () => findPlugin(name, this.#options.find),
      events: {
        joined: (supervisor) => this.#join(supervisor),
        handlersChanged: (supervisor) => {
          this.#join(supervisor);
          this.#options.onChange?.(supervisor.status());
        },
        left: (supervisor) => {
          this.#options.registry.unregister(supervisor.name);
        },
        changed: (status) => this.#options.onChange?.(status),
        gaveUp: (plugin, reason) => this.#options.onGaveUp?.(plugin, reason),
        line: (plugin, line) => this.#options.onLine?.(plugin, line),
      },
    });
  }

  #join(supervisor: Supervisor): void {
    if (this.#isSettled) this.#register([supervisor]);
  }

  /** One registration step. */
  #register(joining: readonly Supervisor[]): void {
    const { log } = this.#host;
    const step = joining.flatMap(({ session, handlers }) =>
      session ? [{ executor: session.proxy, handlers }] : [],
    );
    log.info("[plugin-loader] Registering plugin async handlers with Pulse", { plugins: step.length });
    const conflicts = this.#options.registry.register(step);
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
  }

  #tellConflicts(conflicts: readonly Conflict[], joining: ReadonlySet<Supervisor>): void {
    for (const supervisor of this.#supervisors.values()) {
      const lost = conflicts.filter(({ loser }) => loser === supervisor.name);
      const sentences = lost.map(conflictText);
      supervisor.setConflicts(
        lost.map(({ handler }) => handler),
        sentences.join(" "),
      );
      if (joining.has(supervisor)) for (const sentence of sentences) this.#host.log.warn(sentence);
    }
  }
}

function conflictText({ handler, keeper, loser }: Conflict): string {
  return `Handler ${handler} stays with plugin ${keeper}; that of plugin ${loser} is reachable as ${loser}/${handler}.`;
}
