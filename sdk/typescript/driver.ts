/**
 * Driver: talks to a served plugin the way a host does, over real gRPC. For
 * tests: of this SDK, and of plugins that are part of the program.
 */
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { DomainPluginServiceClient, InitializeRequest } from "../../proto/gen/protocol/domain.ts";
import {
  HostMessage,
  JobStart,
  type JobBeat,
  type JobFinish,
  type JobLog,
  type JobProgress,
  type PluginMessage,
  PluginServiceClient,
} from "../../proto/gen/qntx/v1/plugin.ts";
import { HostError } from "./host-error.ts";
import type { PluginDefinition } from "./qntx.ts";
import { type RunningPlugin, servePlugin } from "./runtime.ts";

const WAIT_MS = 20_000; // Only a broken build waits this long.

/** A method of a generated client. */
type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, answer: A) => void,
) => unknown;

/** One unary call of a host. Rejects with a HostError, which has gRPC's word as its status. */
export function asked<Q, A>(
  client: Client,
  method: Unary<Q, A>,
  request: Q,
  metadata = new Metadata(),
): Promise<A> {
  return new Promise((resolve, reject) => {
    method.call(client, request, metadata, { deadline: Date.now() + WAIT_MS }, (error, answer) => {
      if (error) reject(new HostError(status[error.code] ?? "UNKNOWN", error.details));
      else resolve(answer);
    });
  });
}

/** A plugin that is served in this process, and the connection of its host. */
export class Driver implements AsyncDisposable {
  readonly plugin: RunningPlugin;
  readonly domain: DomainPluginServiceClient;
  readonly service: PluginServiceClient;
  /** What the plugin printed. */
  readonly lines: string[];

  /** Serves the definition on any port and calls Initialize. */
  static async start(
    definition: PluginDefinition,
    request: Partial<InitializeRequest> = {},
  ): Promise<Driver> {
    const lines: string[] = [];
    const plugin = await servePlugin(definition, { port: 0, print: (line) => void lines.push(line) });
    const driver = new Driver(plugin, lines);
    await driver.initialize(request);
    return driver;
  }

  constructor(plugin: RunningPlugin, lines: string[]) {
    this.plugin = plugin;
    this.lines = lines;
    const address = `127.0.0.1:${plugin.port}`;
    this.domain = new DomainPluginServiceClient(address, credentials.createInsecure());
    this.service = new PluginServiceClient(address, credentials.createInsecure());
  }

  initialize(request: Partial<InitializeRequest> = {}) {
    return asked(this.domain, this.domain.initialize, InitializeRequest.fromPartial(request));
  }

  /** Opens the job stream and waits until it is ready. */
  async open(): Promise<StreamDriver> {
    const stream = new StreamDriver(this.service.jobs());
    await stream.until(() => stream.ready);
    return stream;
  }

  /** Runs one job on a stream of its own and resolves with its ending. */
  async run(
    handler: string,
    payload: unknown = undefined,
    start: Partial<JobStart> = {},
  ): Promise<JobFinish> {
    const stream = await this.open();
    const job = stream.start(handler, payload, start);
    const finish = await stream.finished(job);
    stream.end();
    return finish;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.domain.close();
    this.service.close();
    await this.plugin.stop();
  }
}

/** The host's end of one `Jobs` stream: remembers all that the plugin said. */
export class StreamDriver {
  readonly #call: ClientDuplexStream<HostMessage, PluginMessage>;
  readonly messages: PluginMessage[] = [];
  readonly finishes: JobFinish[] = [];
  readonly logs: JobLog[] = [];
  readonly progress: JobProgress[] = [];
  readonly checkpoints: Uint8Array[] = [];
  readonly beats: JobBeat[] = [];
  ready = false;
  ended = false;
  #started = 0;
  #changed = () => {};

  constructor(call: ClientDuplexStream<HostMessage, PluginMessage>) {
    this.#call = call;
    call.on("data", (message: PluginMessage) => this.#take(message));
    call.on("end", () => {
      this.ended = true;
      this.#changed();
    });
    call.on("error", () => this.#changed()); // The end is what tests look at.
  }

  /** Starts a job; answers its id. */
  start(handler: string, payload: unknown = undefined, start: Partial<JobStart> = {}): string {
    const jobId = start.jobId ?? `job-${++this.#started}`;
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    const facts = { fence: 1, attempt: 1, maxAttempts: 3, timeoutMs: 300_000, ...start, jobId, handler };
    this.send({ starts: [JobStart.fromPartial({ ...facts, payload: Buffer.from(text ?? "") })] });
    return jobId;
  }

  cancel(jobId: string, reason = "cancelled", fence = 1): void {
    this.send({ cancels: [{ jobId, fence, reason }] });
  }

  send(message: Parameters<typeof HostMessage.fromPartial>[0]): void {
    this.#call.write(HostMessage.fromPartial(message));
  }

  end(): void {
    this.#call.end();
  }

  /** Breaks the stream as a host that dies. */
  break(): void {
    this.#call.cancel();
  }

  /** The lines of a job, in order. */
  said(jobId: string): string[] {
    return this.logs.filter((log) => log.jobId === jobId).map((log) => log.message);
  }

  /** Resolves with the ending of a job. */
  async finished(jobId: string, fence = 1): Promise<JobFinish> {
    const find = () => this.finishes.find((finish) => finish.jobId === jobId && finish.fence === fence);
    await this.until(() => find() !== undefined);
    const finish = find();
    if (!finish) throw new Error(`job ${jobId} has not ended`);
    return finish;
  }

  /** Resolves as soon as the plugin has said what makes the condition true. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`waited ${WAIT_MS} ms for ${condition}`)), WAIT_MS);
      const look = () => {
        if (!condition()) return;
        clearTimeout(limit);
        resolve();
      };
      const before = this.#changed;
      this.#changed = () => {
        before();
        look();
      };
      look();
    });
  }

  #take(message: PluginMessage): void {
    this.messages.push(message);
    if (message.ready) this.ready = true;
    this.logs.push(...message.logs);
    this.progress.push(...message.progress);
    this.checkpoints.push(...message.checkpoints.map(({ checkpoint }) => checkpoint));
    this.beats.push(...message.beats);
    this.finishes.push(...message.finishes);
    this.#changed();
  }
}
