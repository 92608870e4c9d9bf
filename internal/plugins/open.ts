/**
 * Open: from a found program to a session. Spawn, handshake, describe,
 * initialize, declared schedules, job stream, in this order.
 *
 * It works as a whole or not at all: whatever step fails, what the steps before
 * it made is ended again, and the reason says what to look at.
 */
import { status } from "@grpc/grpc-js";
import type {
  InitializeRequest,
  InitializeResponse,
  MetadataResponse,
} from "../../proto/gen/protocol/domain.ts";
import type { EnqueueRequest } from "../../proto/gen/qntx/v1/host.ts";
import type { DescribeResponse, EnqueueAnswer } from "../../proto/gen/qntx/v1/plugin.ts";
import { type Capability, grantLine, parseCapability } from "../access/capability.ts";
import type { RunningProgram } from "../access/principal.ts";
import type { Quota } from "../access/quota.ts";
import type { Holder } from "../access/tokens.ts";
import { formatDuration } from "../base/duration.ts";
import type { Env } from "../base/env.ts";
import { Fault, messageOf, shown } from "../base/fault.ts";
import { aborted } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { Redactor } from "../base/redactor.ts";
import { BUDGETED_CALLS, configuredBudget, overBudget } from "../plugin/budget.ts";
import type { HandlerOptions } from "../plugin/plugin.ts";
import type { ServiceWord } from "../plugin/service.ts";
import type { Answer } from "../../sdk/typescript/channel.ts";
import { answerText, Connection } from "./connection.ts";
import { cleanUp } from "./cleanup.ts";
import { withDiagnosis } from "./diagnosis.ts";
import { digestOf } from "./digest.ts";
import type { IsolationSide } from "./confinement.ts";
import type { PluginSource } from "./find.ts";
import { type Announcement, cleanText, PROTOCOL, readAnnouncement, readEndpoints } from "./guard.ts";
import type { ServiceCaller } from "./providers.ts";
import type { Leftovers } from "./leftovers.ts";
import type { PluginLimits } from "./limits.ts";
import { orNothing } from "./patience.ts";
import { isFree, type Ports } from "./ports.ts";
import { exitText, PluginProcess, type PrintedLine } from "./process.ts";
import { PluginProxy } from "./proxy.ts";
import { Session } from "./session.ts";
import { answersHealth, Width } from "./width.ts";

/** What the host gives to every plugin. */
export interface HostSide {
  env: Env;
  log: Log;
  /** Takes secrets out of what plugins say. */
  redactor: Redactor;
  limits: PluginLimits;
  /** The data folder. */
  home: string;
  hostVersion: string;
  /** Folder of the Python SDK. */
  pythonPath: string;
  leftovers: Leftovers;
  ports: Ports;
  isolation: IsolationSide;
  /** Told when a plugin asked for more than it may have, with what became of that, as the end of a sentence. */
  onRefused?(plugin: string, what: string): void;
  /** Makes the token of one process of the plugin. */
  issueToken(holder: Holder): string;
  /** Ends a token with its process. */
  revokeToken(token: string): void;
  /** What a plugin may do. */
  capabilitiesOf(plugin: string): ReadonlySet<Capability>;
  /** How much of the host it may take. */
  quotaOf(plugin: string): Pick<Quota, "jobsAtOnce" | "jobLogBytes">;
  /** `127.0.0.1:port`, where the services that plugins call are, for those of our SDK and for others. */
  endpoint(caller: "ours" | "stranger"): string;
  /** Enqueues for the holder of a token. Never rejects. */
  enqueue(token: string, request: EnqueueRequest): Promise<Omit<EnqueueAnswer, "number">>;
  configOf(plugin: string): Readonly<Record<string, string>>;
  /** Keys of it whose values must not be shown. */
  secretsOf(plugin: string): ReadonlySet<string>;
  /** Services that others provide for this plugin, as far as is known. */
  servicesFor(caller: ServiceCaller): readonly ServiceWord[];
  /** Opens the door through which one process reaches them. */
  openServices(caller: ServiceCaller, kind: "ours" | "stranger"): Promise<{ address: string; close(): void }>;
  /** Makes the plugin's declared schedules and watchers so; throws a Fault when one is wrong. */
  declare(
    holder: { plugin: string; tenant: string },
    announced: Pick<Announcement, "schedules" | "handlers" | "endpoints" | "watchers">,
  ): Promise<void>;
}

/** What a session tells its supervisor, from its first moment on. */
export interface SessionEvents {
  started(process: PluginProcess): void;
  line(line: PrintedLine): void;
  lastLines(): string[];
  /** Something about it that people should know, as a sentence. */
  warn(sentence: string): void;
  /** An attempt ignored its cancellation: this process must go. */
  replace(reason: string): void;
  /** Nobody knows any more what runs in this process: it must go, and that is its own fault. */
  broke(reason: string): void;
  handlersChanged(handlers: HandlerOptions[]): void;
}

const CONCURRENCY_STREAM = 256; // For plugins that speak the stream and said nothing: claims, commits and messages are shared, so many are cheap.
const CONCURRENCY_UNARY = 4; // For QNTX's plugins, once they are found able: they were written for a host that runs one job.
const WATCHER_NEEDS = ["cap:ats.read", "cap:queue.enqueue"] as const; // It is handed attestations, as jobs.
const PORT_TRIES_MAX = 3; // Of one start: who loses its port this often has another trouble.
const VERSION_CHARS_MAX = 128;
const DESCRIPTION_CHARS_MAX = 1_024;

/** Starts the plugin and brings it to the point where it can run jobs. Throws a Fault that says why not. */
export async function openSession(
  host: HostSide,
  source: PluginSource,
  { events, stop }: { events: SessionEvents; stop: AbortSignal },
): Promise<Session> {
  for (let tries = 1; ; tries++) {
    const opening = new Opening(host, source, { events, stop });
    try {
      return await opening.open();
    } catch (error) {
      await opening.cleanUp();
      await opening.end(); // Before the reason is told: its last words have been read then.
      if (error instanceof Fault && error.code !== "failed" && error.code !== "timeout") throw error;
      const reason = withDiagnosis(messageOf(error), { source, lastLines: events.lastLines() });
      const mayTry = tries < PORT_TRIES_MAX && !stop.aborted;
      if (!mayTry || !(await opening.lostPort())) throw new Fault("failed", reason, { cause: error });
      const sentence = "somebody took the port of a plugin while it started; it is asked for another one";
      host.log.info(sentence, { plugin: source.name, reason });
    }
  }
}

interface InitializeAbout {
  token: string;
  caller: "ours" | "stranger";
  config: Record<string, string>;
  /** True for one that takes Initialize again. */
  follows: boolean;
}

class Opening {
  readonly #host: HostSide;
  readonly #source: PluginSource;
  readonly #events: SessionEvents;
  readonly #holdings = new AsyncDisposableStack();
  /** Set once it has described itself: from then on it may hold things that it has to let go. */
  #described: Connection | null = null;
  /** The door to what others provide, once there is something. */
  #door: { address: string } | null = null;
  /** What it was told that others provide. */
  #services = "";
  #renew = async (): Promise<void> => {};
  /** What it was asked to listen on, and did not say that it does. */
  #awaitedPort = 0;
  /** Rejects when somebody no longer wants it, or when the process dies. */
  #cut: Promise<never>;

  constructor(host: HostSide, source: PluginSource, about: { events: SessionEvents; stop: AbortSignal }) {
    this.#host = host;
    this.#source = source;
    this.#events = about.events;
    this.#cut = rejection(aborted(about.stop), () => "It was stopped while it started.");
  }

  async open(): Promise<Session> {
    const { name, tenant = "" } = this.#source;
    // Before it starts: afterwards the file may be another one.
    const digest = this.#source.path === null ? null : await this.#unlessCut(digestOf(this.#source.path));
    const process = this.#source.address === null ? await this.#spawn() : null;
    const { connection, metadata } = await this.#handshake(process);
    const described = await this.#describe(connection);
    const version = cleanText(metadata.version, VERSION_CHARS_MAX);
    const program = { version, digest: this.#source.digest ?? digest };
    const token = this.#token(described, process, program);
    const config = { ...this.#host.configOf(name) };
    const caller = described ? "ours" : "stranger";
    // A process of our own start has one host for its life; what runs elsewhere may be given to another.
    if (described && process) connection.identify(token);
    const follows = described?.followsServices ?? true;
    const initialized = await this.#initialize(connection, { config, token, caller, follows });
    const announcement = this.#read(described, initialized);
    this.#checkTargets(announcement);
    this.#checkWanted(announcement);
    await this.#unlessCut(this.#host.declare({ plugin: name, tenant }, announcement));
    const proxy = await this.#openProxy(connection, announcement, { version, digest, token });
    return new Session({
      source: this.#source,
      process,
      connection,
      proxy,
      announcement,
      config,
      token,
      renew: () => this.#renew(),
      version,
      description: cleanText(metadata.description, DESCRIPTION_CHARS_MAX),
      host: this.#host,
      warn: (sentence) => this.#warn(sentence),
      holdings: this.#holdings,
    });
  }

  /** What a plugin took when it described itself, it is asked to let go when its start comes to nothing. */
  async cleanUp(): Promise<void> {
    if (this.#described === null) return;
    await cleanUp(this.#described, {
      plugin: this.#source.name,
      reason: "failed",
      budgetMs: this.#host.limits.cleanupMs,
      warn: (sentence) => this.#warn(sentence),
    });
  }

  end(): Promise<void> {
    return this.#holdings.disposeAsync();
  }

  /** True when somebody else listens where it should. To be asked once it has ended. */
  async lostPort(): Promise<boolean> {
    return this.#awaitedPort > 0 && !(await isFree(this.#awaitedPort));
  }

  /** Made when it has said what it is, and worth nothing once its process has ended. */
  #token(described: DescribeResponse | null, process: PluginProcess | null, program: RunningProgram): string {
    const { name, tenant = "" } = this.#source;
    const endpoints = readEndpoints(described, () => {});
    const token = this.#host.issueToken({ plugin: name, tenant, endpoints, program });
    const revoke = () => this.#host.revokeToken(token);
    this.#holdings.defer(revoke);
    void process?.exited.then(revoke); // Not only once all is cleared away.
    return token;
  }

  async #spawn(): Promise<PluginProcess> {
    const { env, home, pythonPath, leftovers, limits, ports, isolation } = this.#host;
    // Our own runtimes choose a port and say it; a foreign program may not say it, so it must be told one.
    const isTold = this.#source.kind === "executable";
    const port = isTold ? this.#holdings.use(await ports.take()).port : 0;
    this.#awaitedPort = port;
    const onLine = (line: PrintedLine) => this.#events.line(line);
    const process = new PluginProcess(env, {
      source: this.#source,
      port,
      home,
      pythonPath,
      leftovers,
      isolation,
      onLine,
      onRefused: (what) => this.#refused(what),
    });
    this.#holdings.defer(async () => void (await process.stop(limits.termMs)));
    void process.announced.then(() => (this.#awaitedPort = 0));
    this.#events.started(process);
    void process.exited.then(() => (this.#described = null));
    const died = rejection(
      process.exited,
      (exit) => `Its process ended with ${exitText(exit)} before it was ready.`,
    );
    this.#cut = Promise.race([this.#cut, died]);
    this.#cut.catch(() => {});
    return process;
  }

  /** Finds where the plugin listens and checks who it is. */
  async #handshake(
    process: PluginProcess | null,
  ): Promise<{ connection: Connection; metadata: MetadataResponse }> {
    if (process === null) return this.#dial(this.#source.address ?? "");
    const port = process.asked;
    const local = (announced: number) => `127.0.0.1:${announced}`;
    const { env, limits } = this.#host;

    const patienceMs = port === 0 ? limits.handshakeMs : limits.portLineMs;
    const early = await this.#unlessCut(orNothing(env, patienceMs, process.announced));
    if (early !== undefined) return this.#dial(local(early));
    if (port === 0)
      throw new Fault("timeout", `It printed no port within ${formatDuration(limits.handshakeMs)}.`);

    // Older plugins print no line and listen where they were asked to; slow ones print it later.
    const asked = this.#connect(local(port));
    const answer = asked.metadata(limits.handshakeMs);
    const late = await this.#unlessCut(Promise.race([process.announced, answer.then(() => undefined)]));
    if (late === undefined || late === port)
      return { connection: asked, metadata: this.#checked(await answer) };
    asked.close(); // Some accept one connection at a time.
    return this.#dial(local(late));
  }

  async #dial(address: string): Promise<{ connection: Connection; metadata: MetadataResponse }> {
    const connection = this.#connect(address);
    const answer = await this.#unlessCut(connection.metadata(this.#host.limits.handshakeMs));
    return { connection, metadata: this.#checked(answer) };
  }

  #connect(address: string): Connection {
    const { env, redactor } = this.#host;
    const connection = new Connection(env, address, redactor, (what) => this.#refused(what));
    this.#holdings.defer(() => connection.close());
    return connection;
  }

  #checked(answer: Answer<MetadataResponse>): MetadataResponse {
    if (!answer.ok) throw new Fault("timeout", `It did not answer Metadata: ${answerText(answer)}.`);
    if (answer.value.name === this.#source.name || this.#source.installed) return answer.value;
    throw new Fault(
      "failed",
      `It says that its name is ${shown(answer.value.name)}; it was enabled as ${shown(this.#source.name)}.`,
    );
  }

  /** Null for a plugin of QNTX: it does not know the call, or answers any call with nothing. */
  async #describe(connection: Connection): Promise<DescribeResponse | null> {
    const { hostVersion, limits, log } = this.#host;
    const answer = await this.#unlessCut(connection.describe(hostVersion, limits.describeMs));
    if (answer.ok && answer.value.protocol === PROTOCOL) {
      this.#described = connection;
      return answer.value;
    }
    if (!answer.ok && answer.code !== status.UNIMPLEMENTED) throw this.#undescribed(answer);
    const why = answer.ok ? `protocol ${shown(answer.value.protocol)}` : answerText(answer);
    log.debug("plugin does not describe itself and is run as one of QNTX", {
      plugin: this.#source.name,
      why,
    });
    return null;
  }

  /** It knows the call, and did not bring it to its end. What is wrong with the answer, only its author can set right. */
  #undescribed(answer: { code: status; details: string }): Fault {
    if (answer.code === status.INVALID_ARGUMENT) return new Fault("config", answer.details);
    if (answer.code !== status.DEADLINE_EXCEEDED)
      return new Fault("failed", `It failed to describe itself: ${answerText(answer)}.`);
    const budget = configuredBudget("describe", this.#host.limits.describeMs);
    const about = { plugin: this.#source.name, call: BUDGETED_CALLS.describe, budget };
    return new Fault("timeout", overBudget({ ...about, became: "its process was ended" }));
  }

  /** What it announces, as far as it may have that. */
  #read(described: DescribeResponse | null, initialized: InitializeResponse): Announcement {
    const announced = readAnnouncement(described, initialized, (sentence) => this.#warn(sentence));
    const { name } = this.#source;
    const has = this.#host.capabilitiesOf(name);
    const missing = WATCHER_NEEDS.filter((capability) => !has.has(capability));
    if (missing.length === 0 || announced.watchers.length === 0) return announced;
    const line = `${grantLine(name, missing)}; then: qntx plugin restart ${name}`;
    this.#warn(
      `Plugin ${name} lacks ${missing.join(", ")}, and its watchers are left out. Grant it with: ${line}`,
    );
    return { ...announced, watchers: [] };
  }

  /** A name that nobody announces is most often misspelt; it may be announced later, so this is no refusal. */
  #checkTargets({ schedules, handlers }: Announcement): void {
    const announced = new Set(handlers.map(({ name }) => name));
    for (const { id, handler } of schedules) {
      if (announced.has(handler) || handler.includes("/")) continue;
      this.#warn(
        `Schedule ${shown(id)} of plugin ${this.#source.name} runs ${shown(handler)}, which the plugin does not announce: its jobs wait until some plugin does.`,
      );
    }
  }

  /** It may do without; but whoever wonders later why a call was refused shall have been told. */
  #checkWanted({ capabilities }: Announcement): void {
    const has = this.#host.capabilitiesOf(this.#source.name);
    const missing = capabilities.map(parseCapability).filter((name) => !has.has(name));
    if (missing.length === 0) return;
    const { name } = this.#source;
    this.#warn(
      `Plugin ${name} wants ${missing.join(", ")} and does not have it. Grant it with: ${grantLine(name, missing)}`,
    );
  }

  async #initialize(connection: Connection, about: InitializeAbout): Promise<InitializeResponse> {
    const request = await this.#request(about);
    const answer = await this.#unlessCut(connection.initialize(request, this.#host.limits.initializeMs));
    if (!answer.ok) throw new Fault("failed", `It failed to initialize: ${answerText(answer)}.`);
    // What it was told once, it is told again when others provide more or less: QNTX's plugins are made for that,
    // and of those that describe themselves the ones that say so.
    let told = Promise.resolve(); // One after the other: the last word is the newest.
    if (about.follows) this.#renew = () => (told = told.then(() => this.#initializeAgain(connection, about)));
    return answer.value;
  }

  /** Never rejects: nobody waits for it. */
  async #initializeAgain(connection: Connection, about: InitializeAbout): Promise<void> {
    const before = this.#services;
    try {
      const request = await this.#request(about);
      if (before === this.#services) return;
      const answer = await connection.initialize(request, this.#host.limits.initializeMs);
      if (!answer.ok) throw new Fault("failed", `${answerText(answer)}.`);
    } catch (error) {
      this.#warn(`It was told of other services, and failed: ${messageOf(error)}`);
    }
  }

  /** Where it finds what others provide. */
  async #serviceEndpoints(caller: "ours" | "stranger"): Promise<(word: ServiceWord) => string> {
    const { name: plugin, tenant = "" } = this.#source;
    const words = this.#host.servicesFor({ plugin, tenant });
    if (words.length > 0 && !this.#door) {
      const door = await this.#host.openServices({ plugin, tenant }, caller);
      if (this.#holdings.disposed) {
        door.close();
        throw new Fault("failed", "It has ended meanwhile.");
      }
      this.#door = this.#holdings.adopt(door, (open) => open.close());
    }
    this.#services = words.join();
    return (word) => (words.includes(word) ? (this.#door?.address ?? "") : "");
  }

  async #request({ token, caller, config }: InitializeAbout): Promise<InitializeRequest> {
    const address = this.#host.endpoint(caller);
    const endpointOf = await this.#serviceEndpoints(caller);
    return {
      atsStoreEndpoint: address,
      queueEndpoint: address,
      scheduleEndpoint: address,
      authToken: token,
      config,
      fileServiceEndpoint: "",
      llmEndpoint: endpointOf("llm"),
      embeddingEndpoint: endpointOf("embedding"),
      vectorSearchEndpoint: endpointOf("vectorSearch"),
      groundEndpoint: "",
      searchEndpoint: endpointOf("search"),
      fetchEndpoint: address,
    };
  }

  async #openProxy(
    connection: Connection,
    announcement: Announcement,
    { token, ...program }: { version: string; digest: string | null; token: string },
  ): Promise<PluginProxy> {
    const usual = announcement.stream ? CONCURRENCY_STREAM : CONCURRENCY_UNARY;
    const proxy = new PluginProxy({
      plugin: this.#source.name,
      tenant: this.#source.tenant ?? "",
      ...program,
      env: this.#host.env,
      concurrency: announcement.concurrency || usual,
      quota: () => this.#host.quotaOf(this.#source.name),
      log: this.#host.log,
      redactor: this.#host.redactor,
      replace: (reason) => this.#events.replace(reason),
      broke: (reason) => this.#events.broke(reason),
      handlersChanged: (handlers) => this.#events.handlersChanged(handlers),
      enqueue: (request) => this.#host.enqueue(token, request),
    });
    proxy.useHttp(connection, () => this.#host.capabilitiesOf(this.#source.name).has("cap:http.serve"));
    if (announcement.stream) await this.#unlessCut(proxy.openStream(connection));
    else proxy.useUnary(connection, announcement.concurrency ? null : this.#width(connection));
    return proxy;
  }

  #width(connection: Connection): Width {
    const { env, limits } = this.#host;
    const ask = () => answersHealth(connection, limits.healthMs);
    return new Width(env, { jobsMax: CONCURRENCY_UNARY, ask });
  }

  #refused(what: string): void {
    this.#warn(`Plugin ${this.#source.name} ${what}.`);
    this.#host.onRefused?.(this.#source.name, what);
  }

  #unlessCut<T>(step: Promise<T>): Promise<T> {
    return Promise.race([step, this.#cut]);
  }

  #warn(sentence: string): void {
    this.#events.warn(sentence);
  }
}

/** Rejects with a sentence when the promise resolves. Who waits for a step hears of it; nobody else needs to. */
function rejection<T>(promise: Promise<T>, sentence: (value: T) => string): Promise<never> {
  const rejects = promise.then((value) => Promise.reject(new Fault("failed", sentence(value))));
  rejects.catch(() => {});
  return rejects;
}
