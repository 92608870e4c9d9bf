/**
 * Runtime: serves a plugin over gRPC, so that a host can find out what it is,
 * start it and run its jobs. `role.ts` makes a whole process of this.
 *
 * It answers QNTX's own DomainPluginService and our PluginService on one port
 * of the loopback interface. Initialize is harmless the second time.
 */
import { status } from "@grpc/grpc-js";
import {
  DomainPluginServiceService,
  InitializeRequest,
  InitializeResponse,
} from "../../proto/gen/protocol/domain.ts";
import {
  DescribeResponse,
  type HandlerOptions,
  PluginServiceService,
} from "../../proto/gen/qntx/v1/plugin.ts";
import { LockServiceService } from "../../proto/gen/qntx/v1/lock.ts";
import type { HostPlace } from "./call.ts";
import { textOf } from "./ending.ts";
import { connectHost, type HostClient, MESSAGE_BYTES_MAX } from "./host.ts";
import { plainAnswer } from "./http.ts";
import { fromDefinition, type Handlers, type LoadedPlugin, readHandlers } from "./loaded.ts";
import { lockService } from "./locks.ts";
import { captureConsole, createPluginLog } from "./log.ts";
import { PluginError } from "./names.ts";
import type { Host, JobHandler, JobLog, Locks, PluginDefinition } from "./qntx.ts";
import { NOT_ITS_HOST, Proof } from "./proof.ts";
import { type Call, GrpcServer, type Methods, Refusal, type UnaryMethod } from "./server.ts";
import { createServices } from "./services.ts";
import { serveSocket } from "./socket.ts";
import { type JobSource, JobStream } from "./stream.ts";
import { executeJob } from "./unary.ts";

const PORT_TRIES = 64; // As QNTX's own plugins do when their port is taken.
const STOP_MS = 4_000; // The host waits 5 s for the answer to Shutdown.
const CLOSE_MS = 500; // For answers that are on their way when the server closes.

export interface ServeOptions {
  /** The port to try first; 0 takes any. */
  port: number;
  /** Writes a line of the plugin's own log; process.stdout when absent. */
  print?: (line: string) => void;
}

export interface RunningPlugin {
  readonly name: string;
  readonly port: number;
  /** Runs the plugin's stop, tells its jobs to end and closes the port. Harmless the second time. */
  stop(): Promise<void>;
  /** Resolves when the plugin has stopped, whoever asked for it. */
  readonly stopped: Promise<void>;
}

/** Serves a definition until it is stopped. Throws a PluginError when the definition is wrong. */
export function servePlugin(definition: PluginDefinition, options: ServeOptions): Promise<RunningPlugin> {
  return serveLoaded(fromDefinition(definition), options);
}

/** Serves a plugin of either kind until it is stopped, and says its port on stdout. */
export async function serveLoaded(plugin: LoadedPlugin, options: ServeOptions): Promise<RunningPlugin> {
  captureConsole();
  const print = options.print ?? ((line: string) => void process.stdout.write(`${line}\n`));
  const server = new GrpcServer({ bytesMax: MESSAGE_BYTES_MAX });
  const stopped = Promise.withResolvers<void>();
  const served = new ServedPlugin(plugin, createPluginLog(print));
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= served
      .stop()
      .then(() => closeServer(server))
      .finally(() => stopped.resolve());
    return stopped.promise;
  };
  const { proof } = served;
  server.add(DomainPluginServiceService, proof.guard(domainService(served, stop)));
  server.add(PluginServiceService, proof.guard(pluginService(served)));
  if (plugin.locks) server.add(LockServiceService, proof.guard(lockService(() => served.locks)));
  const port = await bind(server, options.port);
  print(`QNTX_PLUGIN_PORT=${port}`);
  return { name: plugin.metadata.name, port, stop, stopped: stopped.promise };
}

/** What is known of a plugin while it is served: its handlers now, its host, its streams. */
class ServedPlugin {
  readonly plugin: LoadedPlugin;
  readonly streams = new Set<JobStream>();
  readonly proof = new Proof();
  readonly #log: JobLog;
  #handlers: Handlers;
  #changed = false;
  #client: HostClient | undefined;
  #locks: Locks | undefined;
  #initialized: Promise<void> | undefined;
  /** What the newest Initialize said. */
  #told = InitializeRequest.create();
  #stopped: Promise<void> | undefined;
  #cleanedUp: Promise<void> | undefined;

  constructor(plugin: LoadedPlugin, log: JobLog) {
    this.plugin = plugin;
    this.#log = log;
    this.#handlers = plugin.handlers;
  }

  get name(): string {
    return this.plugin.metadata.name;
  }

  get handlers(): Handlers {
    return this.#handlers;
  }

  /** What it gives as a lock provider, once it has started. */
  get locks(): Locks | undefined {
    return this.#locks;
  }

  /** What a job needs; undefined before Initialize. */
  get source(): (JobSource & { version: string }) | undefined {
    if (!this.#client) return undefined;
    const { name, version } = this.plugin.metadata;
    return { name, version, host: this.#client.host, handler: (handler) => this.#find(handler) };
  }

  /** The handlers to announce on a new stream: none when Initialize and Describe said all. */
  get changed(): HandlerOptions[] | undefined {
    return this.#changed ? this.#options() : undefined;
  }

  /** Starts the plugin. Once a process: the second call says only where its host is and what others provide now, and waits for the first. */
  initialize(request: InitializeRequest): Promise<void> {
    this.#told = request;
    this.#client?.move(placeOf(request));
    this.#initialized ??= this.#initialize(request);
    return this.#initialized;
  }

  /** Ends the jobs and runs the plugin's stop. An error of it is logged, not thrown: it is too late to refuse. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** A host asks what it is: whatever it lets go of later, it has taken from now on. */
  described(): void {
    this.#cleanedUp = undefined;
  }

  /** Runs the plugin's cleanup, once. */
  cleanup(): Promise<void> {
    this.#cleanedUp ??= this.plugin.cleanup();
    return this.#cleanedUp;
  }

  async #initialize(request: InitializeRequest): Promise<void> {
    const setJobs: Host["setJobs"] = (jobs) => this.#change(readHandlers(this.name, jobs));
    const stream = () => [...this.streams].find(({ takesEnqueues }) => takesEnqueues);
    const services = createServices(() => this.#told);
    this.#client = connectHost(
      { ...placeOf(request), config: request.config },
      { log: this.#log, setJobs, services, stream },
    );
    await this.plugin.start(this.#client.host, request);
    this.#locks = this.plugin.locks?.(this.#client.host);
  }

  async #stop(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    for (const stream of this.streams) stream.abort("shutdown");
    const limit = new Promise<void>((resolve) => void setTimeout(resolve, STOP_MS).unref());
    try {
      await Promise.race([this.plugin.stop(client.host), limit]);
    } catch (error) {
      this.#log.error(`the plugin's stop failed: ${textOf(error)}`);
    }
    for (const stream of this.streams) stream.drain();
    client.close();
  }

  async #change(handlers: Handlers): Promise<void> {
    this.#handlers = handlers;
    this.#changed = true;
    await Promise.all([...this.streams].map((stream) => stream.announce(this.#options())));
  }

  #options(): HandlerOptions[] {
    return [...this.#handlers.values()].map(({ options }) => options);
  }

  /** `hello.greet` as announced, or `hello/hello.greet` with the plugin in front. */
  #find(name: string): JobHandler | undefined {
    const announced = name.startsWith(`${this.name}/`) ? name.slice(this.name.length + 1) : name;
    return this.#handlers.get(announced)?.run;
  }
}

function placeOf(request: InitializeRequest): HostPlace {
  const { authToken: token, queueEndpoint, scheduleEndpoint, atsStoreEndpoint } = request;
  return { address: queueEndpoint || scheduleEndpoint || atsStoreEndpoint, token };
}

function pluginService(served: ServedPlugin): Methods<PluginServiceService> {
  const { plugin, streams } = served;
  return {
    describe: unary(async () => {
      served.described();
      const handlers = [...served.handlers.values()].map(({ options }) => options);
      const { capabilities, endpoints, concurrency, priority } = plugin;
      const wants = { capabilities, schedules: await plugin.schedules(), endpoints, concurrency, priority };
      const lockProvider = plugin.locks !== undefined;
      return DescribeResponse.fromPartial({
        protocol: "qntx.v1",
        stream: true,
        handlers,
        lockProvider,
        followsServices: true,
        ...wants,
      });
    }),
    cleanup: unary(async () => {
      await served.cleanup();
      return {};
    }),
    jobs(call) {
      const { source } = served;
      if (!source) return call.fail(NOT_INITIALIZED);
      const stream: JobStream = new JobStream(call, source, {
        changed: served.changed,
        onClosed: () => streams.delete(stream),
      });
      streams.add(stream);
    },
  };
}

function domainService(served: ServedPlugin, stop: () => Promise<void>): Methods<DomainPluginServiceService> {
  const { plugin } = served;
  return {
    metadata: () => plugin.metadata,
    initialize: unary(async (request, call) => {
      if (!served.proof.initialized(call, request.authToken)) throw NOT_ITS_HOST;
      await served.initialize(request);
      const handlerNames = [...served.handlers.keys()];
      const httpRoutes = plugin.endpoints.map(({ method, path, description }) => ({
        method,
        path,
        description,
      }));
      const { scheduleInfos: schedules, watchers } = plugin;
      return InitializeResponse.fromPartial({ handlerNames, schedules, httpRoutes, watchers });
    }),
    shutdown: unary(async () => {
      await served.stop();
      setImmediate(() => void stop()); // Answers first: closing the server cuts what is on its way.
      return {};
    }),
    handleHttp: unary(async (request, call) => {
      const { source } = served;
      if (!source) return plainAnswer(503, `Plugin ${served.name} is not initialized yet.\n`);
      try {
        return await plugin.answer(request, source.host, whenClosed(call));
      } catch (error) {
        source.host.log.error(`${request.method} ${request.path} failed: ${textOf(error)}`, {
          stack: error instanceof Error ? (error.stack ?? "") : "",
        });
        return plainAnswer(500, `Plugin ${served.name} failed to answer.\n`);
      }
    }),
    handleWebSocket(call) {
      const { source } = served;
      if (!source) return call.fail(NOT_INITIALIZED);
      serveSocket(call, { plugin: served.name, handler: plugin.websocket, host: source.host });
    },
    health() {
      const running = [...served.streams].reduce((sum, stream) => sum + stream.running, 0);
      return { healthy: true, message: "running", details: { jobs: String(running) } };
    },
    configSchema: () => ({ fields: plugin.configFields }),
    registerGlyphs: unary(async () => ({ glyphs: await plugin.glyphs() })),
    executeJob(request, call) {
      const { source } = served;
      if (!source) throw NOT_INITIALIZED;
      return executeJob(source, request, call);
    },
  };
}

const NOT_INITIALIZED = new Refusal(status.FAILED_PRECONDITION, "The plugin is not initialized yet.");

/** A method whose errors are told: INTERNAL, with the sentence; what is wrong with the plugin, INVALID_ARGUMENT. */
function unary<Q, A>(method: (request: Q, call: Call) => Promise<A>): UnaryMethod<Q, A> {
  return async (request, call) => {
    try {
      return await method(request, call);
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal(codeOf(error), textOf(error));
    }
  };
}

/** Aborted when the caller no longer waits. */
function whenClosed(call: Call): AbortSignal {
  const controller = new AbortController();
  call.onClosed(() => controller.abort());
  return controller.signal;
}

/** Trying again does not help against a PluginError: its author has to do something. */
function codeOf(error: unknown): status {
  return error instanceof PluginError ? status.INVALID_ARGUMENT : status.INTERNAL;
}

/** Binds to the port or one of the next ones. Resolves with the port that it got. */
async function bind(server: GrpcServer, first: number): Promise<number> {
  const tries = first === 0 ? 1 : PORT_TRIES;
  for (let port = first; ; port++) {
    try {
      return await server.listen(port);
    } catch (error) {
      if (port - first + 1 >= tries) {
        throw new Error(`No port between ${first} and ${port} of 127.0.0.1 is free.`, { cause: error });
      }
    }
  }
}

async function closeServer(server: GrpcServer): Promise<void> {
  const limit = new Promise<void>((resolve) => void setTimeout(resolve, CLOSE_MS).unref());
  await Promise.race([server.drain(), limit]);
  server.close();
}
