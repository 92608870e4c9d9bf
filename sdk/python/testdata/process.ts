/**
 * A real plugin process and the host's side of its stream, for tests. Everything
 * waits for an event: a line printed, a message received, an exit.
 */
import { ChannelCredentials, type ClientDuplexStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  type ConfigSchemaResponse,
  DomainPluginServiceClient,
  type Empty,
  type ExecuteJobResponse,
  type GlyphDefResponse,
  type HealthResponse,
  type HTTPResponse,
  InitializeRequest,
  type InitializeResponse,
  type MetadataResponse,
  type WebSocketMessage,
  WebSocketMessage as WebSocketMessages,
} from "../../../proto/gen/protocol/domain.ts";
import {
  type CleanupResponse,
  type DescribeResponse,
  type HostMessage,
  HostMessage as HostMessages,
  type JobFinish,
  type JobStart,
  type PluginMessage,
  PluginServiceClient,
} from "../../../proto/gen/qntx/v1/plugin.ts";

/** A python3 that has grpcio: the one on PATH, or else the system's. Throws when there is none. */
function pythonWithGrpc(): string {
  for (const python of ["python3", "/usr/bin/python3"]) {
    const found = Bun.which(python);
    if (found && Bun.spawnSync([found, "-c", "import grpc, google.protobuf"]).success) return found;
  }
  throw new Error("No python3 here can import grpc. On Debian: apt-get install python3-grpcio.");
}

const INSECURE = ChannelCredentials.createInsecure();
export const PYTHON = pythonWithGrpc();
export const SDK = `${import.meta.dir}/..`;

/** Grows by what others do; `until` waits for it to hold something. */
export class Heard<T> {
  readonly items: T[] = [];
  #waiting: (() => void)[] = [];

  push(...items: T[]): void {
    this.items.push(...items);
    for (const look of this.#waiting.splice(0)) look();
  }

  async until(test: (item: T) => boolean): Promise<T> {
    for (;;) {
      const found = this.items.find(test);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

/** A plugin that runs. `await using` ends it. */
export class PluginProcess {
  readonly lines = new Heard<string>();
  readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  #domainClient: DomainPluginServiceClient | undefined;
  #ownClient: PluginServiceClient | undefined;

  constructor(file: string, args: string[] = ["--port", "0"]) {
    this.child = Bun.spawn([PYTHON, "-B", `${SDK}/${file}`, ...args], {
      env: { PYTHONPATH: SDK, PATH: process.env["PATH"] ?? "" },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    for (const stream of [this.child.stdout, this.child.stderr]) void this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
    }
  }

  async port(): Promise<number> {
    const line = await this.lines.until((each) => each.startsWith("QNTX_PLUGIN_PORT="));
    return Number(line.split("=")[1]);
  }

  async metadata(): Promise<MetadataResponse> {
    const domain = await this.#domain();
    return asked<MetadataResponse>((answer) => domain.metadata({}, answer));
  }

  async describe(): Promise<DescribeResponse> {
    const own = await this.#own();
    return asked<DescribeResponse>((answer) => own.describe({ hostVersion: "0" }, answer));
  }

  async cleanUp(): Promise<void> {
    const own = await this.#own();
    await asked<CleanupResponse>((answer) => own.cleanup({ reason: "stopped" }, answer));
  }

  async initialize(
    request: Partial<InitializeRequest> = {},
    metadata = new Metadata(),
  ): Promise<InitializeResponse> {
    const domain = await this.#domain();
    return asked<InitializeResponse>((answer) =>
      domain.initialize(InitializeRequest.create(request), metadata, answer),
    );
  }

  async configSchema(): Promise<ConfigSchemaResponse> {
    const domain = await this.#domain();
    return asked<ConfigSchemaResponse>((answer) => domain.configSchema({}, answer));
  }

  async glyphs(): Promise<GlyphDefResponse> {
    const domain = await this.#domain();
    return asked<GlyphDefResponse>((answer) => domain.registerGlyphs({}, answer));
  }

  async health(): Promise<HealthResponse> {
    const domain = await this.#domain();
    return asked<HealthResponse>((answer) => domain.health({}, answer));
  }

  /** Waits until so many jobs run. */
  async running(count: number): Promise<void> {
    while (Number((await this.health()).details["jobs"]) !== count);
  }

  async shutdown(): Promise<void> {
    const domain = await this.#domain();
    await asked<Empty>((answer) => domain.shutdown({}, answer));
  }

  async http(method: string, path: string, body = ""): Promise<HTTPResponse> {
    const domain = await this.#domain();
    const headers = [{ name: "User-Agent", values: ["bun"] }];
    const request = { method, path, headers, body: Buffer.from(body) };
    return asked<HTTPResponse>((answer) => domain.handleHttp(request, answer));
  }

  /** Opens a WebSocket as a host does, and remembers what the plugin says. */
  async webSocket(query: string): Promise<{
    heard: Heard<WebSocketMessage>;
    ended: Promise<void>;
    say(message: Partial<WebSocketMessage>): void;
    cancel(): void;
  }> {
    const call = (await this.#domain()).handleWebSocket();
    const heard = new Heard<WebSocketMessage>();
    call.on("data", (message: WebSocketMessage) => heard.push(message));
    const ended = new Promise<void>((resolve) => {
      for (const event of ["end", "error"]) call.on(event, () => resolve());
    });
    const say = (message: Partial<WebSocketMessage>) => call.write(WebSocketMessages.fromPartial(message));
    say({ headers: { "user-agent": "bun", "qntx-query": query } });
    return { heard, ended, say, cancel: () => call.cancel() };
  }

  /** Runs a job by the unary call; the controller gives the call up. */
  async execute(
    handlerName: string,
    payload?: unknown,
    { giveUp, headers = {} }: { giveUp?: AbortController; headers?: Record<string, string> } = {},
  ): Promise<ExecuteJobResponse> {
    const domain = await this.#domain();
    const request = { jobId: "JB_1", handlerName, payload: toBytes(payload), timeoutSecs: 60 };
    return asked<ExecuteJobResponse>((answer) => {
      const call = domain.executeJob(request, Metadata.fromHttp2Headers(headers), answer);
      giveUp?.signal.addEventListener("abort", () => call.cancel());
    });
  }

  async stream(): Promise<JobStream> {
    const stream = new JobStream((await this.#own()).jobs());
    await stream.messages.until((message) => message.ready);
    return stream;
  }

  async #domain(): Promise<DomainPluginServiceClient> {
    this.#domainClient ??= new DomainPluginServiceClient(await this.#address(), INSECURE);
    return this.#domainClient;
  }

  async #own(): Promise<PluginServiceClient> {
    this.#ownClient ??= new PluginServiceClient(await this.#address(), INSECURE);
    return this.#ownClient;
  }

  async #address(): Promise<string> {
    return `127.0.0.1:${await this.port()}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#domainClient?.close();
    this.#ownClient?.close();
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}

/** The host's end of a Jobs call. */
export class JobStream {
  readonly messages = new Heard<PluginMessage>();
  readonly call: ClientDuplexStream<HostMessage, PluginMessage>;
  readonly ended: Promise<void>;

  constructor(call: ClientDuplexStream<HostMessage, PluginMessage>) {
    this.call = call;
    call.on("data", (message: PluginMessage) => this.messages.push(message));
    call.on("error", () => {});
    this.ended = new Promise((resolve) => call.on("end", resolve).on("close", resolve));
  }

  send(message: Parameters<typeof HostMessages.create>[0]): void {
    this.call.write(HostMessages.create(message));
  }

  start(handler: string, payload?: unknown, more: Partial<JobStart> = {}): void {
    this.send({
      starts: [{ jobId: "JB_1", fence: 1, handler, payload: toBytes(payload), attempt: 1, ...more }],
    });
  }

  /** Waits for the job's end. */
  async finish(jobId = "JB_1", fence = 1): Promise<JobFinish> {
    const mine = (finish: JobFinish) => finish.jobId === jobId && finish.fence === fence;
    const message = await this.messages.until(({ finishes }) => finishes.some(mine));
    const finish = message.finishes.find(mine);
    if (!finish) throw new Error("It was there a moment ago.");
    return finish;
  }

  async said(text: string): Promise<void> {
    await this.messages.until(({ logs }) => logs.some((line) => line.message === text));
  }

  lines(jobId = "JB_1"): string[] {
    const logs = this.messages.items.flatMap((message) => message.logs);
    return logs.filter((line) => line.jobId === jobId).map((line) => `${line.level} ${line.message}`);
  }
}

function toBytes(payload: unknown): Buffer {
  return payload === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(payload));
}

/** Turns a callback into a promise. */
function asked<T>(call: (callback: (error: ServiceError | null, answer: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => call((error, answer) => (error ? reject(error) : resolve(answer))));
}
