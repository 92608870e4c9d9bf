/**
 * Line: what lies between a host and a plugin, in place of gRPC. It keeps the order
 * of what is said, takes its time, breaks, and delivers what was on its way when a
 * process died. `StreamWire` and `UnaryWire` cannot tell it from a connection.
 */
import { status } from "@grpc/grpc-js";
import type { Millis } from "../../internal/base/env.ts";
import type { Scene } from "./scene.ts";
import type { Owner } from "./world.ts";

/** What travels over the job stream, as proto/qntx/v1/plugin.proto has it. */
export interface HostMessage {
  starts: { jobId: string; handler: string; fence: number; payload: Buffer; checkpoint: Buffer }[];
  cancels: { jobId: string; fence: number; reason: string }[];
  drain: boolean;
}

export interface JobFinish {
  jobId: string;
  fence: number;
  success: boolean;
  result: Buffer;
  error: JobProblem | undefined;
  cost: number;
}

export interface JobProblem {
  message: string;
  kind: string;
  permanent: boolean;
  retryAfterMs: number;
  stack: string;
  snooze: boolean;
}

interface Key {
  jobId: string;
  fence: number;
}

export interface PluginMessage {
  finishes: JobFinish[];
  logs: (Key & { at: number; level: string; message: string; stage: string; fields: string })[];
  progress: (Key & { current: number; total: number; message: string })[];
  checkpoints: (Key & { checkpoint: Buffer })[];
  beats: Key[];
  handlersChanged: undefined;
  enqueues: [];
  ready: boolean;
}

/** One call a job, and its answer, as QNTX has them. */
export interface ExecuteJobRequest {
  jobId: string;
  handlerName: string;
  payload: Buffer;
}

export interface ExecuteJobResponse {
  success: boolean;
  error: string;
  result: Buffer;
  progressCurrent: number;
  progressTotal: number;
  costActual: number;
  logEntries: [];
  pluginVersion: string;
}

/** What a host wants to hear of the job stream. */
interface StreamEvents {
  message(message: PluginMessage): void;
  drained(): void;
  ended(reason: string): void;
}

/** A failed or answered call, as internal/plugins/connection.ts has it. */
export type Answered<T> = { ok: true; value: T } | { ok: false; code: status; details: string };

/** Whom a line leads to. */
export interface Far {
  take(message: HostMessage): void;
  /** `call` is named again by whoever answers it or calls it off. */
  execute(request: ExecuteJobRequest, call: number): void;
  callOff(call: number): void;
  /** True while it answers no other call. */
  isBusy(): boolean;
}

const FULL_SHARE = 0.05; // Of messages behind which the pipe is full for a moment.
const HEALTH_LOOK_MS: Millis = 10;

export class Line {
  readonly #scene: Scene;
  readonly #host: Owner;
  readonly #far: Far;
  #stream: StreamEvents | null = null;
  readonly #calls = new Map<number, (answer: Answered<ExecuteJobResponse>) => void>();
  #made = 0;
  /** When the last message of each direction arrives: none overtakes another. */
  readonly #lastAt = { host: 0, plugin: 0 };
  #cutUntil: Millis = 0;
  #over = false;

  constructor(scene: Scene, host: Owner, far: Far) {
    this.#scene = scene;
    this.#host = host;
    this.#far = far;
  }

  // The side of the host: a connection.

  get isConnected(): boolean {
    return !this.#over && this.#scene.world.time >= this.#cutUntil;
  }

  jobs(events: StreamEvents): this {
    this.#stream = events;
    this.#toHost("stream opens", () => events.message({ ...SILENCE, ready: true }));
    return this;
  }

  executeJob(
    request: ExecuteJobRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<Answered<ExecuteJobResponse>> {
    const call = ++this.#made;
    return new Promise((resolve) => {
      if (this.#over) return resolve(failed(status.UNAVAILABLE));
      this.#calls.set(call, resolve);
      this.#toPlugin("call", () => this.#calls.has(call) && this.#far.execute(request, call));
      const callOff = () => {
        resolve(failed(status.CANCELLED));
        if (this.#calls.delete(call)) this.#toPlugin("call off", () => this.#far.callOff(call));
      };
      const onAbort = () => void this.#scene.world.later(0, "call off", callOff, this.#host);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  health(limitMs: Millis): Promise<Answered<object>> {
    const { world } = this.#scene;
    const until = world.time + limitMs;
    return new Promise((resolve) => {
      const look = () => {
        if (!this.isConnected) return resolve(failed(status.UNAVAILABLE));
        if (!this.#far.isBusy()) return resolve({ ok: true, value: {} });
        if (world.time >= until) return resolve(failed(status.DEADLINE_EXCEEDED));
        world.later(HEALTH_LOOK_MS, "health", look, this.#host);
      };
      world.later(HEALTH_LOOK_MS, "health", look, this.#host);
    });
  }

  // The side of the host: the job stream.

  write(message: HostMessage): boolean {
    this.#toPlugin("message", () => this.#far.take(message));
    if (!this.#scene.dice.plugins.chance(FULL_SHARE)) return true;
    this.#toHost("drained", () => this.#stream?.drained());
    return false;
  }

  isPaused(): boolean {
    return false; // Nobody here talks four megabytes a second.
  }

  // The side of the plugin.

  /** `arrives` is told before the host takes it. */
  say(message: Partial<PluginMessage>, arrives: () => void): void {
    this.#toHost("message", () => {
      arrives();
      this.#stream?.message({ ...SILENCE, ...message });
    });
  }

  answer(call: number, answer: Answered<ExecuteJobResponse>, arrives: () => void): void {
    this.#toHost("answer", () => {
      const resolve = this.#calls.get(call);
      if (!resolve || !this.#calls.delete(call)) return;
      arrives();
      resolve(answer);
    });
  }

  /** It closes the stream behind its last answer. */
  hangUp(): void {
    this.#toHost("stream ends", () => this.#stream?.ended("the plugin closed it"));
  }

  // What befalls it.

  /** It breaks, and is there again later, when calls made meanwhile go on; the process lives. */
  cut(forMs: Millis): void {
    this.#cutUntil = this.#scene.world.time + forMs;
    this.#stream?.ended("the line is cut");
    this.#fail();
  }

  /** The process at its end is dead. What it has said before may still come. */
  end(): void {
    this.#over = true;
    this.#toHost("line ends", () => {
      this.#fail();
      this.#stream?.ended("the process is gone");
    });
  }

  #fail(): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const resolve of calls) resolve(failed(status.UNAVAILABLE));
  }

  #toHost(label: string, work: () => void): void {
    this.#scene.world.later(this.#wait("host"), `line: ${label}`, work, this.#host);
  }

  #toPlugin(label: string, work: () => void): void {
    const { world } = this.#scene;
    const isOpen = () => !this.#over && this.#host.alive;
    world.later(this.#wait("plugin"), `line: ${label}`, () => isOpen() && work());
  }

  #wait(direction: "host" | "plugin"): Millis {
    const { world, dice, swarm, calm } = this.#scene;
    const lagMs = calm || !dice.plugins.chance(0.1) ? 1 : dice.plugins.between(1, swarm.lagMs);
    const at = Math.max(this.#lastAt[direction], this.#cutUntil, world.time + lagMs);
    this.#lastAt[direction] = at;
    return at - world.time;
  }
}

const SILENCE: PluginMessage = {
  finishes: [],
  logs: [],
  progress: [],
  beats: [],
  handlersChanged: undefined,
  enqueues: [],
  ready: false,
  checkpoints: [],
};

function failed(code: status): { ok: false; code: status; details: string } {
  return { ok: false, code, details: "" };
}
