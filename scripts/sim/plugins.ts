/**
 * Plugins of one host. They start, register, leave and end in the order in which
 * internal/plugins does it.
 */
import type { Env, Millis } from "../../internal/base/env.ts";
import { aborted, type Service, type StopSignals } from "../../internal/base/lifecycle.ts";
import type { Log } from "../../internal/base/log.ts";
import type { HandlerOptions } from "../../internal/plugin/plugin.ts";
import type { DeathCause } from "../../internal/plugins/proxy.ts";
import type { Registration } from "../../internal/pulse/executor.ts";
import type { Registry } from "../../internal/pulse/registry.ts";
import { type Character, CHARACTERS } from "./characters.ts";
import { SimProcess } from "./plugin-process.ts";
import type { Scene } from "./scene.ts";
import type { Owner } from "./world.ts";

const STARTUP_MS = 4_000; // How long the workers wait for all plugins.
const DRAIN_MS = 5_000;
const INTERRUPT_MS = 1_000;

export interface PluginsOptions {
  scene: Scene;
  host: Owner;
  env: Env;
  log: Log;
  registry: Registry;
  onChange: () => void;
}

/** All plugins of one host, as `Plugins` keeps them. */
export class SimPlugins implements Service {
  readonly name = "plugins";
  readonly settled: Promise<void>;
  readonly #options: PluginsOptions;
  readonly #processes = new Map<string, SimProcess>();
  readonly #handlers = new Map<string, readonly HandlerOptions[]>();
  #settle: () => void = () => {};
  #isSettled = false;
  #stopping = false;

  constructor(options: PluginsOptions) {
    this.#options = options;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Those that are ready. */
  get processes(): readonly SimProcess[] {
    return [...this.#processes.values()];
  }

  /** What a plugin announced when it started. */
  handlersOf(plugin: string): readonly HandlerOptions[] {
    return this.#handlers.get(plugin) ?? [];
  }

  async run({ stop, abort }: StopSignals): Promise<void> {
    const { scene, host } = this.#options;
    for (const character of CHARACTERS) if (!character.isLast || scene.calm) this.#start(character);
    scene.world.later(STARTUP_MS, "plugins late", () => this.#settleNow(), host);
    await aborted(stop);
    this.#stopping = true;
    if (!host.alive) return;
    await Promise.race([this.#idle(), aborted(abort)]);
    for (const process of this.processes) process.drain();
    await Promise.race([this.#idle(), this.#wait(DRAIN_MS)]);
    for (const process of this.processes) process.interrupt();
    await Promise.race([this.#idle(), this.#wait(INTERRUPT_MS)]);
    for (const process of this.processes) process.die("stopped");
  }

  /** Times are calm: who was missing comes. */
  bringLast(): void {
    for (const character of CHARACTERS) if (character.isLast) this.#start(character);
  }

  /** A process is gone. Whoever wanted it starts another one. */
  #left(process: SimProcess, cause: DeathCause): void {
    if (this.#processes.get(process.plugin) !== process) return;
    const { registry, scene, onChange } = this.#options;
    this.#processes.delete(process.plugin);
    registry.unregister(process.plugin);
    scene.world.trouble();
    onChange();
    const character = CHARACTERS.find(({ name }) => name === process.plugin);
    if (character && !this.#stopping) this.#start(character, cause === "replaced" ? 0 : this.#pauseMs());
  }

  #pauseMs(): Millis {
    return this.#options.scene.dice.plugins.between(500, 3_000);
  }

  #start(character: Character, pauseMs = 0): void {
    const { scene, host } = this.#options;
    const startMs = scene.dice.plugins.between(...character.startMs);
    scene.world.later(pauseMs + startMs, `start ${character.name}`, () => this.#open(character), host);
  }

  #open(character: Character): void {
    const { scene, host, env, log } = this.#options;
    const left = (process: SimProcess, cause: DeathCause) => this.#left(process, cause);
    const isRetired = () => this.#stopping;
    const process = new SimProcess({ scene, character, host, env, log, isRetired, left });
    void process.open().then(() => this.#ready(character, process));
  }

  #ready(character: Character, process: SimProcess): void {
    if (this.#stopping) return;
    const { scene } = this.#options;
    this.#processes.set(character.name, process);
    this.#handlers.set(character.name, character.handlers(scene.dice.plugins, scene.swarm.newLimits));
    const all = CHARACTERS.filter(({ isLast }) => !isLast).length;
    if (this.#isSettled) this.#register([character]);
    else if (this.#processes.size >= all) this.#settleNow();
  }

  #settleNow(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#register(CHARACTERS);
    this.#settle();
  }

  #register(characters: readonly Character[]): void {
    const { registry, scene, onChange } = this.#options;
    const step = characters.flatMap(({ name }): Registration[] => {
      const executor = this.#processes.get(name);
      return executor ? [{ executor, handlers: this.handlersOf(name) }] : [];
    });
    registry.register(step);
    scene.world.trouble();
    scene.world.note(`registered ${step.map(({ executor }) => executor.plugin)}`);
    onChange();
  }

  async #idle(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.idle()));
  }

  #wait(ms: Millis): Promise<void> {
    const { scene, host } = this.#options;
    return new Promise((resolve) => scene.world.later(ms, "plugins wait", resolve, host));
  }
}
