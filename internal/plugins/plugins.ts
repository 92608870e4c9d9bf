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
import type { Millis } from "../base/env.ts";
import { aborted, type Service, type StopSignals } from "../base/lifecycle.ts";
import type { FileIsolation } from "../config/file-isolation.ts";
import type { Install } from "../plugin/install.ts";
import { type ConfigProblem, configProblems } from "../plugin/config-field.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import type { Registry } from "../pulse/registry.ts";
import { Cgroups } from "./cgroup.ts";
import type { IsolationSide } from "./confinement.ts";
import { checkPluginName, findPlugin, type FindOptions } from "./find.ts";
import { type About, NOTHING_SAID } from "./about.ts";
import type { Announcement } from "./guard.ts";
import { forwardHttp, noRightToServe, type PluginHttpRequest, readySession } from "./http.ts";
import type { Connection } from "./connection.ts";
import { type Provided, Providers, type ServiceCaller } from "./providers.ts";
import type { ServiceWord } from "../plugin/service.ts";
import { installedSource } from "./installed.ts";
import { Leftovers } from "./leftovers.ts";
import { Joining } from "./joining.ts";
import { PluginLocks } from "./locks.ts";
import { PLUGIN_LIMITS, type PluginLimits } from "./limits.ts";
import type { HostSide } from "./open.ts";
import { orNothing } from "./patience.ts";
import { Ports } from "./ports.ts";
import type { PrintedLine } from "./process.ts";
import { proven, type UpgradeSteps } from "./proof.ts";
import { Roster, taken } from "./roster.ts";
import { surviveStrays } from "./stray.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor.ts";
import { PluginSocket, SocketCounts, type SocketRequest } from "./web-socket.ts";

export interface PluginsOptions extends Omit<
  HostSide,
  "leftovers" | "limits" | "ports" | "isolation" | "servicesFor"
> {
  /** What plugins provided for others, as they said in earlier boots; absent: nothing is known. */
  provided?: readonly Provided[];
  /** A plugin provides other services than before. */
  onProvided?(provided: Provided): void;
  registry: Registry;
  /** Names from `[plugin] enabled`, in their order. */
  enabled: readonly string[];
  /** What was installed, besides. */
  installs?: readonly Install[];
  /** Names that do not start until somebody switches them on. */
  disabled?: readonly string[];
  find: FindOptions;
  limits?: Partial<PluginLimits>;
  /** What the configuration holds plugins to. */
  isolations?: readonly FileIsolation[];
  /** A plugin's state, handlers or conflicts changed. */
  onChange?(status: PluginStatus): void;
  /** A plugin is not started again until somebody has done something. */
  onGaveUp?(plugin: string, reason: string): void;
  /** A plugin printed a line. */
  onLine?(plugin: string, line: PrintedLine): void;
}

const ABOUT_PATIENCE_MS: Millis = 1_000; // Of who looks: it is asked once, when it is ready, and the answer is kept.

export class Plugins implements Service {
  readonly name = "plugins";
  readonly #options: PluginsOptions;
  readonly #host: HostSide;
  readonly #providers: Providers;
  readonly #roster: Roster;
  /** New versions that are not in their place yet, and old ones that are not gone yet. */
  readonly #passing = new Set<Supervisor>();
  readonly #joining: Joining;
  readonly #sockets = new SocketCounts();
  readonly #settled = Promise.withResolvers<void>();
  #isSettled = false;
  #isEnding = false;

  constructor(options: PluginsOptions) {
    this.#options = options;
    this.#roster = new Roster(options.disabled ?? []);
    const limits = { ...PLUGIN_LIMITS, ...options.limits };
    const leftovers = new Leftovers(options.env, join(options.home, "plugins.run.json"));
    const isolation: IsolationSide = {
      self: options.find.self,
      cgroups: Cgroups.open(options.home, [process.pid, process.ppid]), // With its keeper, where it has one.
      sectionOf: (name) => options.isolations?.find(({ plugin }) => plugin === name),
    };
    this.#providers = new Providers({
      plugins: () => this.#roster.all().filter(({ name }) => this.#roster.isOn(name)),
      capabilitiesOf: options.capabilitiesOf,
      known: options.provided ?? [],
      onSaid: (provided) => options.onProvided?.(provided),
    });
    const servicesFor = (caller: ServiceCaller) => this.#providers.servicesFor(caller);
    this.#host = { ...options, limits, leftovers, isolation, servicesFor, ports: new Ports(options.env) };
    this.#joining = new Joining({
      log: options.log,
      registry: options.registry,
      providers: this.#providers,
      supervisors: () => this.#roster.all(),
      onRefused: (plugin, reason) => options.onRefused?.(plugin, reason),
    });
    // Bundled ones first: a name of ours is kept by ours.
    for (const name of new Set([...options.find.bundled, ...options.enabled])) {
      checkPluginName(name);
      this.#roster.set(this.#supervise(name, { find: () => findPlugin(name, this.#options.find) }));
    }
    for (const install of options.installs ?? []) {
      if (!this.#roster.has(install.name)) this.#take(install);
      else options.log.warn(taken(install.name).message, { hint: taken(install.name).hint });
    }
  }

  /** Resolves when the first step is done: from now on jobs may be claimed. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Starts all plugins and keeps them running until `stop`; then waits for running jobs until `abort`, and ends them. */
  async run({ stop, abort }: StopSignals): Promise<void> {
    const { env, limits, leftovers, isolation, log } = this.#host;
    using _ = surviveStrays(log);
    const ended = (await leftovers.end()) + ((await isolation.cgroups?.clear(env)) ?? 0);
    if (ended > 0)
      log.warn("processes of an earlier run were still there and are ended", { processes: ended });

    const all = this.#roster.all().filter((supervisor) => this.#begin(supervisor));
    const settled = Promise.all(all.map((supervisor) => supervisor.settled()));
    await Promise.race([orNothing(env, limits.startupMs, settled), aborted(stop)]);
    for (const supervisor of all) supervisor.markLate();
    this.#isSettled = true;
    this.#joining.register(all);
    this.#settled.resolve();

    await aborted(stop);
    this.#isEnding = true;
    const last = [...this.#roster.all(), ...this.#passing]; // Some came, and some went.
    for (const supervisor of last) supervisor.retire();
    const idle = Promise.all(last.map((supervisor) => supervisor.session?.proxy.idle()));
    await Promise.race([idle, aborted(abort)]);
    await Promise.all(last.map((supervisor) => supervisor.stop()));
    isolation.cgroups?.close();
  }

  /** True for what was installed, and not enabled by the configuration. */
  isInstalled(name: string): boolean {
    return this.#roster.isInstalled(name);
  }

  /** Takes in what was installed just now; resolves when its first start has ended one way or the other, or is late. */
  async add(install: Install): Promise<PluginStatus> {
    const supervisor = this.#take(install);
    if (!this.#begin(supervisor)) return supervisor.status();
    return this.#started(supervisor);
  }

  /** Ends a plugin that was installed, and forgets it. Whoever else has its name stays. */
  remove(name: string): Promise<void> {
    return this.#roster.alone(name, async () => {
      if (!this.#roster.isInstalled(name)) return;
      await this.#stop(name);
      this.#forget(name);
    });
  }

  /** Switches a plugin on or off; resolves when that is done. */
  async enable(name: string, enabled: boolean): Promise<PluginStatus> {
    const supervisor = this.#roster.get(name);
    if (enabled) {
      this.#roster.refuseChanging(name);
      this.#roster.switch(name, true);
      supervisor.start();
      return this.#started(supervisor);
    }
    await this.#roster.alone(name, () => this.#stop(name));
    this.#roster.switch(name, false);
    supervisor.markDisabled();
    this.#joining.tellServices();
    return supervisor.status();
  }

  /**
   * Puts another program in the place of one that was installed. It starts beside the
   * old one and must hold out; `accept` may refuse it with a Fault, and `keep` writes down
   * that it is taken. Only then it gets the jobs, and the old one ends when its own have
   * ended. Whatever fails, the old one serves.
   */
  upgrade(install: Install, steps: UpgradeSteps): Promise<PluginStatus> {
    return this.#roster.alone(install.name, () => this.#upgrade(install, steps));
  }

  async #upgrade(install: Install, { accept, keep }: UpgradeSteps): Promise<PluginStatus> {
    const { name } = install;
    const old = this.#roster.get(name);
    if (!this.#roster.isInstalled(name)) throw taken(name);
    let declare = async () => {}; // What it declares counts once it is accepted.
    const host: HostSide = {
      ...this.#host,
      declare: async (...announced) => {
        declare = () => this.#host.declare(...announced);
        if (this.#roster.isCurrent(next)) await declare();
      },
    };
    const next = this.#superviseInstall(install, host);
    this.#passing.add(next);
    try {
      await accept(await proven(next, this.#host));
      await declare();
      await keep();
    } catch (error) {
      await next.stop();
      this.#passing.delete(next);
      throw error;
    }
    this.#passing.add(old);
    this.#roster.set(next);
    this.#passing.delete(next);
    if (next.session) this.#joining.register([next]);
    else this.#options.registry.unregister(name); // It died meanwhile, and joins when it is back.
    await old.stop();
    this.#passing.delete(old);
    this.#options.onChange?.(next.status());
    return next.status();
  }

  /**
   * Follows a changed configuration: who is no longer enabled ends, who is enabled now
   * begins, and who has other values starts again. Resolves when that is done.
   */
  async reconfigure(change: {
    added: readonly string[];
    removed: readonly string[];
    changed: readonly string[];
  }): Promise<PluginStatus[]> {
    for (const name of change.removed) await this.#drop(name);
    const added = change.added.flatMap((name) => this.#enlist(name) ?? []);
    const changed = change.changed.filter((name) => this.#roster.isOn(name));
    return Promise.all([
      ...added.map((supervisor) => this.#started(supervisor)),
      ...changed.map((name) => this.restart(name)),
    ]);
  }

  /** One that the configuration enables from now on; null when its name is taken. */
  #enlist(name: string): Supervisor | null {
    checkPluginName(name);
    if (this.#roster.has(name)) {
      if (this.#roster.isInstalled(name))
        this.#host.log.warn(taken(name).message, { hint: taken(name).hint });
      return null;
    }
    const supervisor = this.#supervise(name, { find: () => findPlugin(name, this.#options.find) });
    this.#roster.set(supervisor);
    return this.#begin(supervisor) ? supervisor : null;
  }

  /** One that it does not enable any more. */
  #drop(name: string): Promise<void> {
    return this.#roster.alone(name, async () => {
      if (this.#roster.isInstalled(name) || this.#options.find.bundled.includes(name)) return;
      await this.#stop(name);
      this.#forget(name);
    });
  }

  /** Tells every plugin what others provide for it, where that is other than what it was told. */
  tellServices(): void {
    this.#joining.tellServices();
  }

  /** To whom a plugin's call of a service goes. Throws a Fault when there is none. */
  provider(
    word: ServiceWord,
    caller: ServiceCaller,
    wanted: string,
  ): { connection: Connection; token: string } {
    return this.#providers.provider(word, caller, wanted);
  }

  /** The values that a plugin was given; null while it is not ready. */
  configOf(name: string): Readonly<Record<string, string>> | null {
    return this.#roster.get(name).session?.config ?? null;
  }

  /** What a plugin says of itself when it is asked; nothing where it takes too long to say it. */
  async about(name: string): Promise<About> {
    return (await orNothing(this.#host.env, ABOUT_PATIENCE_MS, this.#roster.get(name).about)) ?? NOTHING_SAID;
  }

  /** What a plugin that is ready has against these values. */
  async problemsWith(
    name: string,
    values: Readonly<Record<string, string>>,
    secrets: ReadonlySet<string>,
  ): Promise<ConfigProblem[]> {
    const { fields } = await this.about(name);
    return configProblems(fields, values, (key) => secrets.has(key));
  }

  /** All plugins, in the order in which they stand for a name. */
  statuses(): PluginStatus[] {
    return this.#roster.all().map((supervisor) => supervisor.status());
  }

  /** Names of those that are not switched off. */
  switchedOn(): string[] {
    return this.#roster.all().flatMap(({ name }) => (this.#roster.isOn(name) ? [name] : []));
  }

  status(name: string): PluginStatus {
    return this.#roster.get(name).status();
  }

  /** The newest lines that a plugin printed. */
  logsOf(name: string): string[] {
    return this.#roster.get(name).lines();
  }

  /** Of these, the ones behind the first `after`, for who has seen those; and how many it has printed by now. */
  logsAfter(name: string, after: number): { lines: string[]; printed: number } {
    return this.#roster.get(name).linesAfter(after);
  }

  /** What a plugin said about itself: capabilities, endpoints, watchers. Null while it is not ready. */
  announcementOf(name: string): Announcement | null {
    return this.#roster.get(name).announcement;
  }

  /** The locks that a plugin keeps, whoever runs as it when they are asked for. */
  locks(name: string): PluginLocks {
    return new PluginLocks(this.#roster.get(name));
  }

  /** The known plugin that announces the handler of a lane, or announced it last; null when none ever did. */
  offers(lane: string): string | null {
    return this.#roster.offers(lane);
  }

  start(name: string): void {
    this.#roster.refuseChanging(name);
    this.#roster.wanted(name).start();
  }

  /** Resolves when nothing of the plugin is left; the names of its handlers are free then. */
  stop(name: string): Promise<void> {
    return this.#roster.alone(name, () => this.#stop(name));
  }

  async #stop(name: string): Promise<void> {
    await this.#roster.get(name).stop();
    this.#joining.forget(name);
  }

  #forget(name: string): void {
    this.#roster.forget(name);
    this.#joining.tellServices();
  }

  /** Ends the plugin and starts it again; resolves when that start has ended one way or the other, or is late. */
  async restart(name: string): Promise<PluginStatus> {
    const supervisor = this.#roster.wanted(name);
    await this.#roster.alone(name, () => supervisor.restart());
    return this.#started(supervisor);
  }

  /** Hands a request to a plugin. Throws a Fault when it is not there to answer. */
  async http(name: string, request: PluginHttpRequest): Promise<HTTPResponse> {
    return forwardHttp(this.#serving(name), { usualMs: this.#host.limits.httpMs, request });
  }

  /** A connection of a browser, not open yet. Throws a Fault when the plugin is not there, or has too many. */
  webSocket(name: string, request: SocketRequest): PluginSocket {
    const supervisor = this.#serving(name);
    const session = readySession(supervisor);
    const isServing = () => supervisor.session === session && supervisor.status().state !== "stopping";
    const { env, redactor } = this.#host;
    const about = { env, redactor, plugin: name, mayServe: () => this.#mayServe(name) };
    const released = this.#sockets.take(name);
    return new PluginSocket({ ...about, session, request, isServing, released });
  }

  /** One that may answer requests. Throws a Fault for another one. */
  #serving(name: string): Supervisor {
    const supervisor = this.#roster.get(name);
    if (!this.#mayServe(name)) throw noRightToServe(name);
    return supervisor;
  }

  #mayServe(name: string): boolean {
    return this.#host.capabilitiesOf(name).has("cap:http.serve");
  }

  /** Ends every process at once, because this host is about to end without being asked. */
  async killAll(): Promise<void> {
    // Stopped, and not crashed: its jobs must not pay for that, and no process is started in its place.
    for (const supervisor of [...this.#roster.all(), ...this.#passing]) void supervisor.stop();
    const { leftovers, isolation, env } = this.#host;
    await leftovers.endPresent();
    await isolation.cgroups?.clear(env);
    isolation.cgroups?.close();
  }

  #take(install: Install): Supervisor {
    const { name } = install;
    checkPluginName(name);
    const supervisor = this.#superviseInstall(install, this.#host);
    this.#roster.install(supervisor);
    return supervisor;
  }

  #superviseInstall(install: Install, host: HostSide): Supervisor {
    const { name, tenant } = install;
    const find = () => installedSource(install, { home: host.home, options: this.#options.find });
    return this.#supervise(name, { tenant, find }, host);
  }

  /** Starts what is not switched off. */
  #begin(supervisor: Supervisor): boolean {
    const isOn = this.#roster.isOn(supervisor.name);
    if (isOn) supervisor.start();
    else supervisor.markDisabled();
    return isOn;
  }

  async #started(supervisor: Supervisor): Promise<PluginStatus> {
    const { env, limits } = this.#host;
    await orNothing(env, limits.startupMs, supervisor.settled());
    supervisor.markLate();
    return supervisor.status();
  }

  #supervise(name: string, about: Omit<SupervisorOptions, "events">, host = this.#host): Supervisor {
    const supervisor: Supervisor = new Supervisor(host, name, {
      ...about,
      events: {
        joined: () => this.#join(supervisor),
        handlersChanged: () => {
          this.#join(supervisor);
          if (this.#roster.isCurrent(supervisor)) this.#options.onChange?.(supervisor.status());
        },
        left: () => {
          if (this.#roster.isCurrent(supervisor)) this.#options.registry.unregister(name);
        },
        changed: (status) => {
          if (this.#roster.isCurrent(supervisor)) this.#options.onChange?.(status);
        },
        gaveUp: (plugin, reason) => {
          if (this.#roster.isCurrent(supervisor)) this.#options.onGaveUp?.(plugin, reason);
        },
        line: (plugin, line) => this.#options.onLine?.(plugin, line),
      },
    });
    if (this.#isEnding) supervisor.retire(); // Nobody would end it.
    return supervisor;
  }

  #join(supervisor: Supervisor): void {
    if (this.#isSettled && this.#roster.isCurrent(supervisor)) this.#joining.register([supervisor]);
  }
}
