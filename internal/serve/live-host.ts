/** LiveHost: what operations see of a running host. */
import type { Grants } from "../access/grants.ts";
import type { Quotas } from "../access/quotas.ts";
import type { Attestation } from "../ats/attestation.ts";
import type { Env } from "../base/env.ts";
import { Fault } from "../base/fault.ts";
import type { Fetcher } from "../fetch/fetcher.ts";
import type {
  ClockControl,
  ConfigReloaded,
  Host,
  LockControl,
  PluginControl,
  SecretControl,
} from "../operations/operation.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import type { Plugins } from "../plugins/plugins.ts";
import type { Pulse } from "../pulse/pulse.ts";
import type { Lateness, LoopDelay } from "./loop-delay.ts";
import type { Locks } from "./locks.ts";

export interface LiveHostOptions {
  env: Env;
  pulse: Pulse;
  plugins: Plugins;
  version: string;
  locks: Pick<Locks, "name" | "provider">;
  grants: Grants;
  quotas: Quotas;
  loop: Pick<LoopDelay, "lately">;
  web: Fetcher;
  secrets: SecretControl;
  attested: (attestations: readonly Attestation[]) => void;
  reload: () => Promise<ConfigReloaded>;
  /** True while attestations may become jobs. */
  watched: () => boolean;
}

export class LiveHost implements Host {
  readonly startedAt: number;
  readonly version: string;
  readonly plugins: PluginControl;
  readonly clock: ClockControl;
  readonly locks: LockControl;
  readonly grants: Grants;
  readonly web: Fetcher;
  readonly secrets: SecretControl;
  readonly quotas: Quotas;
  address = "";
  ready = false;
  /** True once the host is ending. */
  stopping = false;
  readonly #options: LiveHostOptions;

  constructor(options: LiveHostOptions) {
    this.#options = options;
    this.startedAt = options.env.now();
    this.version = options.version;
    this.plugins = pluginControl(options.plugins, options.pulse);
    this.clock = options.pulse.clock;
    this.grants = options.grants;
    this.web = options.web;
    this.secrets = options.secrets;
    this.quotas = options.quotas;
    const { pulse, locks } = options;
    this.locks = {
      ...locks,
      get trouble() {
        return pulse.lockTrouble;
      },
    };
  }

  get loop(): Lateness {
    return this.#options.loop.lately;
  }

  jobsAdded(lanes: Iterable<string>): void {
    this.#options.pulse.jobsAdded(lanes);
  }

  jobsDelayed(): void {
    this.#options.pulse.jobsDelayed();
  }

  schedulesChanged(): void {
    this.#options.pulse.schedulesChanged();
  }

  reload(): Promise<ConfigReloaded> {
    return this.#options.reload();
  }

  cancelJob(id: string): boolean {
    return this.#options.pulse.cancel(id);
  }

  attested(attestations: readonly Attestation[]): void {
    this.#options.attested(attestations);
    if (this.#options.watched()) this.#options.pulse.jobsDelayed();
  }
}

function pluginControl(plugins: Plugins, { registry }: Pulse): PluginControl {
  return {
    statuses: () => plugins.statuses(),
    lines: (name, after) => orNull(() => plugins.logsAfter(name, after)),
    offers(lane) {
      const live = registry.offered(lane)?.executor.plugin;
      if (live !== undefined) return { plugin: live, live: true };
      const plugin = registry.keeper(lane) ?? plugins.offers(lane);
      return plugin === null ? null : { plugin, live: false };
    },
    restart: (name) => orNullLater(() => plugins.restart(name)),
    stop: (name) => orNullLater(() => plugins.stop(name).then(() => plugins.status(name))),
    start: (name) => orNullLater(async () => started(plugins, name)),
    isInstalled: (name) => plugins.isInstalled(name),
    add: (install) => plugins.add(install),
    remove: (name) => plugins.remove(name),
    tellServices: () => plugins.tellServices(),
    about: (name) => plugins.about(name),
    enable: (name, enabled) => plugins.enable(name, enabled),
    upgrade: (install, steps) => plugins.upgrade(install, steps),
  };
}

function started(plugins: Plugins, name: string): PluginStatus {
  plugins.start(name);
  return plugins.status(name);
}

/** A plugin that is not there is null here; the operation says so in its own words. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") return null;
    throw error;
  }
}

async function orNullLater<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") return null;
    throw error;
  }
}
