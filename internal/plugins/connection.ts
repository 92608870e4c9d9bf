/**
 * Connection: what is said to one plugin process, over one channel.
 *
 * Every call has a limit and answers with a value: what a plugin says, or why
 * it did not. One channel, and nothing opened beside it: some plugins accept a
 * single TCP connection at a time. No keepalive either: a plugin that computes
 * for two seconds is busy, not dead.
 */
import { type MethodDefinition, status } from "@grpc/grpc-js";
import {
  type ConfigSchemaResponse,
  DomainPluginServiceService as Domain,
  Empty,
  type ExecuteJobRequest,
  type ExecuteJobResponse,
  type GlyphDefResponse,
  type HealthResponse,
  type HTTPRequest,
  type HTTPResponse,
  type InitializeRequest,
  type InitializeResponse,
  type MetadataResponse,
  type WebSocketMessage,
} from "../../proto/gen/protocol/domain.ts";
import {
  type CleanupResponse,
  type DescribeResponse,
  type HostMessage,
  type PluginMessage,
  PluginServiceService as Ours,
} from "../../proto/gen/qntx/v1/plugin.ts";
import {
  LockServiceService as Locks,
  type ReleaseLockRequest,
  type ReleaseLockResponse,
  type RenewLockRequest,
  type RenewLockResponse,
  type TryLockRequest,
  type TryLockResponse,
} from "../../proto/gen/qntx/v1/lock.ts";
import type { Env, Millis } from "../base/env.ts";
import { withoutStop } from "../base/fault.ts";
import type { Redactor } from "../base/redactor.ts";
import {
  type Answer,
  type CallOptions,
  Channel,
  type MessageStream,
  type StreamEvents,
} from "../../sdk/typescript/channel.ts";

const MESSAGE_BYTES_MAX = 16_777_216; // 16 MiB either way: QNTX allows 100, and one such answer would be the host's whole memory.

export class Connection {
  readonly address: string;
  readonly #channel: Channel;
  readonly #redactor: Redactor;
  /** What every call says, once the plugin may ask who calls. */
  #proof: Record<string, string> | undefined;

  /** Opens nothing yet: the first call connects. `onRefused` hears of what the plugin said and nobody read. */
  constructor(env: Env, address: string, redactor: Redactor, onRefused: (what: string) => void = () => {}) {
    this.address = address;
    this.#redactor = redactor;
    this.#channel = new Channel(env, {
      address,
      bytesMax: MESSAGE_BYTES_MAX,
      onRefused: (path, why) => onRefused(`answered ${path} with what is not taken: ${withoutStop(why)}`),
    });
  }

  /** From now on every call says the token that only the plugin's process and its host know. */
  identify(token: string): void {
    this.#proof = { authorization: `Bearer ${token}` };
  }

  /** Waits until the plugin listens. */
  metadata(limitMs: Millis): Promise<Answer<MetadataResponse>> {
    return this.#call(Domain.metadata, Empty.create(), { limitMs, waits: true });
  }

  describe(hostVersion: string, limitMs: Millis): Promise<Answer<DescribeResponse>> {
    return this.#call(Ours.describe, { hostVersion }, { limitMs });
  }

  initialize(request: InitializeRequest, limitMs: Millis): Promise<Answer<InitializeResponse>> {
    return this.#call(Domain.initialize, request, { limitMs });
  }

  configSchema(limitMs: Millis): Promise<Answer<ConfigSchemaResponse>> {
    return this.#call(Domain.configSchema, Empty.create(), { limitMs });
  }

  registerGlyphs(limitMs: Millis): Promise<Answer<GlyphDefResponse>> {
    return this.#call(Domain.registerGlyphs, Empty.create(), { limitMs });
  }

  health(limitMs: Millis): Promise<Answer<HealthResponse>> {
    return this.#call(Domain.health, Empty.create(), { limitMs });
  }

  /** Lets the plugin let go of what it holds, before it is told to end. */
  cleanup(reason: string, limitMs: Millis): Promise<Answer<CleanupResponse>> {
    return this.#call(Ours.cleanup, { reason }, { limitMs });
  }

  shutdown(limitMs: Millis): Promise<Answer<Empty>> {
    return this.#call(Domain.shutdown, Empty.create(), { limitMs });
  }

  handleHttp(request: HTTPRequest, limitMs: Millis, signal?: AbortSignal): Promise<Answer<HTTPResponse>> {
    return this.#call(Domain.handleHttp, request, { limitMs, signal });
  }

  /** One connection of a browser. Throws when the channel is closed. */
  webSocket(
    headers: Record<string, string>,
    events: StreamEvents<WebSocketMessage>,
  ): MessageStream<WebSocketMessage> {
    return this.#channel.stream<WebSocketMessage, WebSocketMessage>(Domain.handleWebSocket, events, {
      headers: { ...headers, ...this.#proof },
    });
  }

  /** Aborting the signal cancels the call, which the plugin is told. */
  executeJob(
    request: ExecuteJobRequest,
    options: { headers: Record<string, string>; limitMs: Millis; signal: AbortSignal },
  ): Promise<Answer<ExecuteJobResponse>> {
    return this.#call(Domain.executeJob, request, options);
  }

  /** A call of a service that the plugin provides, its messages as they are. */
  relay(
    path: string,
    request: Buffer,
    options: { limitMs: Millis; signal: AbortSignal },
  ): Promise<Answer<Buffer>> {
    return this.#call(asItIs(path), request, options);
  }

  /** The same, answered by a stream. */
  relayStream(path: string, events: StreamEvents<Buffer>): MessageStream<Buffer> {
    return this.#channel.stream(asItIs(path), events, { headers: { ...this.#proof } });
  }

  tryLock(request: TryLockRequest, limitMs: Millis): Promise<Answer<TryLockResponse>> {
    return this.#call(Locks.tryLock, request, { limitMs });
  }

  renewLock(request: RenewLockRequest, limitMs: Millis): Promise<Answer<RenewLockResponse>> {
    return this.#call(Locks.renew, request, { limitMs });
  }

  releaseLock(request: ReleaseLockRequest, limitMs: Millis): Promise<Answer<ReleaseLockResponse>> {
    return this.#call(Locks.release, request, { limitMs });
  }

  /** The job stream. It has no deadline: it lives as long as the process. */
  jobs(events: StreamEvents<PluginMessage>): MessageStream<HostMessage> {
    return this.#channel.stream<HostMessage, PluginMessage>(Ours.jobs, events, {
      headers: { ...this.#proof },
    });
  }

  /** False when the channel has lost the plugin, whether or not its process lives. */
  get isConnected(): boolean {
    return this.#channel.isConnected;
  }

  /** Resolves when the channel is no longer connected. */
  disconnected(): Promise<void> {
    return this.#channel.disconnected();
  }

  /** Ends the channel and every call on it. Safe to call twice. */
  close(): void {
    this.#channel.close();
  }

  /** Why a plugin did not answer is in its own words, and people read them. */
  async #call<Q, A>(method: MethodDefinition<Q, A>, request: Q, options: CallOptions): Promise<Answer<A>> {
    const proven = this.#proof ? { ...options, headers: { ...options.headers, ...this.#proof } } : options;
    const answer = await this.#channel.call(method, request, proven);
    return answer.ok ? answer : { ...answer, details: this.#redactor.redact(answer.details) };
  }
}

function asItIs(path: string): MethodDefinition<Buffer, Buffer> {
  const same = (bytes: Buffer) => bytes;
  const [requestSerialize, requestDeserialize, responseSerialize, responseDeserialize] = [
    same,
    same,
    same,
    same,
  ];
  const serializers = { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize };
  return { path, requestStream: false, responseStream: false, ...serializers };
}

/** `UNAVAILABLE: connection refused`: a failed answer as words. */
export function answerText({ code, details }: { code: status; details: string }): string {
  return details ? `${status[code]}: ${withoutStop(details)}` : String(status[code]);
}
