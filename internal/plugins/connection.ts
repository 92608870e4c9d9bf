/**
 * Connection: the one gRPC channel to one plugin process, and the calls on it.
 *
 * Every call has a limit and answers with a value: what a plugin says, or why
 * it did not. One channel, and nothing opened beside it: some plugins accept a
 * single TCP connection at a time. No keepalive either: a plugin that computes
 * for two seconds is busy, not dead.
 */
import {
  Channel,
  type CallOptions,
  type ClientDuplexStream,
  type ClientUnaryCall,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import {
  DomainPluginServiceClient,
  Empty,
  type ExecuteJobRequest,
  type ExecuteJobResponse,
  type HealthResponse,
  type HTTPRequest,
  type HTTPResponse,
  type InitializeRequest,
  type InitializeResponse,
  type MetadataResponse,
} from "../../proto/gen/protocol/domain.ts";
import {
  type CleanupResponse,
  type DescribeResponse,
  type HostMessage,
  type PluginMessage,
  PluginServiceClient,
} from "../../proto/gen/qntx/v1/plugin.ts";
import {
  LockServiceClient,
  type ReleaseLockRequest,
  type ReleaseLockResponse,
  type RenewLockRequest,
  type RenewLockResponse,
  type TryLockRequest,
  type TryLockResponse,
} from "../../proto/gen/qntx/v1/lock.ts";
import type { Env, Millis } from "../base/env.ts";

/** What a call came back with. `details` is the plugin's or the channel's own sentence. */
export type Answer<T> = { ok: true; value: T } | { ok: false; code: status; details: string };

export const MESSAGE_BYTES_MAX = 16_777_216; // 16 MiB either way: QNTX allows 100, and one such answer would be the host's whole memory.
const BACKOFF_FIRST_MS = 100; // A plugin whose port line was missed is tried again soon.
const BACKOFF_MAX_MS = 1_000;

const OPTIONS = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.initial_reconnect_backoff_ms": BACKOFF_FIRST_MS,
  "grpc.max_reconnect_backoff_ms": BACKOFF_MAX_MS,
  "grpc.enable_retries": 0, // Pulse retries, with a new attempt that is counted.
  "grpc.enable_http_proxy": 0, // A proxy in the environment is not for 127.0.0.1.
  "grpc.use_local_subchannel_pool": 1, // The next process on the same port is another one.
  "grpc.service_config_disable_resolution": 1,
};

type Method<Q, R> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: R) => void,
) => ClientUnaryCall;

export class Connection {
  readonly address: string;
  readonly #env: Env;
  readonly #channel: Channel;
  readonly #domain: DomainPluginServiceClient;
  readonly #ours: PluginServiceClient;
  readonly #locks: LockServiceClient;
  readonly #metadata = new Metadata();
  #closed = false;

  /** Opens nothing yet: the first call connects. */
  constructor(env: Env, address: string) {
    this.#env = env;
    this.address = address;
    const plaintext = credentials.createInsecure();
    this.#channel = new Channel(address, plaintext, OPTIONS);
    this.#domain = new DomainPluginServiceClient(address, plaintext, { channelOverride: this.#channel });
    this.#ours = new PluginServiceClient(address, plaintext, { channelOverride: this.#channel });
    this.#locks = new LockServiceClient(address, plaintext, { channelOverride: this.#channel });
  }

  /** Waits until the plugin listens. */
  metadata(limitMs: Millis): Promise<Answer<MetadataResponse>> {
    const wait = new Metadata({ waitForReady: true });
    return this.#call((q, _, o, done) => this.#domain.metadata(q, wait, o, done), Empty.create(), limitMs);
  }

  describe(hostVersion: string, limitMs: Millis): Promise<Answer<DescribeResponse>> {
    return this.#call((q, m, o, done) => this.#ours.describe(q, m, o, done), { hostVersion }, limitMs);
  }

  initialize(request: InitializeRequest, limitMs: Millis): Promise<Answer<InitializeResponse>> {
    return this.#call((q, m, o, done) => this.#domain.initialize(q, m, o, done), request, limitMs);
  }

  health(limitMs: Millis): Promise<Answer<HealthResponse>> {
    return this.#call((q, m, o, done) => this.#domain.health(q, m, o, done), Empty.create(), limitMs);
  }

  /** Lets the plugin let go of what it holds, before it is told to end. */
  cleanup(reason: string, limitMs: Millis): Promise<Answer<CleanupResponse>> {
    return this.#call((q, m, o, done) => this.#ours.cleanup(q, m, o, done), { reason }, limitMs);
  }

  shutdown(limitMs: Millis): Promise<Answer<Empty>> {
    return this.#call((q, m, o, done) => this.#domain.shutdown(q, m, o, done), Empty.create(), limitMs);
  }

  handleHttp(request: HTTPRequest, limitMs: Millis, signal?: AbortSignal): Promise<Answer<HTTPResponse>> {
    return this.#call((q, m, o, done) => this.#domain.handleHttp(q, m, o, done), request, limitMs, signal);
  }

  /** Aborting the signal cancels the call, which the plugin is told. */
  executeJob(
    request: ExecuteJobRequest,
    { headers, limitMs, signal }: { headers: Record<string, string>; limitMs: Millis; signal: AbortSignal },
  ): Promise<Answer<ExecuteJobResponse>> {
    const beside = Metadata.fromHttp2Headers(headers);
    return this.#call(
      (q, _, o, done) => this.#domain.executeJob(q, beside, o, done),
      request,
      limitMs,
      signal,
    );
  }

  tryLock(request: TryLockRequest, limitMs: Millis): Promise<Answer<TryLockResponse>> {
    return this.#call((q, m, o, done) => this.#locks.tryLock(q, m, o, done), request, limitMs);
  }

  renewLock(request: RenewLockRequest, limitMs: Millis): Promise<Answer<RenewLockResponse>> {
    return this.#call((q, m, o, done) => this.#locks.renew(q, m, o, done), request, limitMs);
  }

  releaseLock(request: ReleaseLockRequest, limitMs: Millis): Promise<Answer<ReleaseLockResponse>> {
    return this.#call((q, m, o, done) => this.#locks.release(q, m, o, done), request, limitMs);
  }

  /** The job stream. It has no deadline: it lives as long as the process. */
  jobs(): ClientDuplexStream<HostMessage, PluginMessage> {
    return this.#ours.jobs(this.#metadata);
  }

  /** False when the channel has lost the plugin, whether or not its process lives. */
  get isConnected(): boolean {
    return !this.#closed && this.#channel.getConnectivityState(false) === connectivityState.READY;
  }

  /** Resolves when the channel is no longer connected. */
  disconnected(): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!this.isConnected) return resolve();
        const forEver = Number.POSITIVE_INFINITY;
        this.#channel.watchConnectivityState(connectivityState.READY, forEver, look);
      };
      look();
    });
  }

  /** Ends the channel and every call on it. Safe to call twice. */
  close(): void {
    this.#closed = true;
    this.#channel.close();
  }

  #call<Q, R>(method: Method<Q, R>, request: Q, limitMs: Millis, signal?: AbortSignal): Promise<Answer<R>> {
    const notSent = (code: status, details: string) => Promise.resolve({ ok: false as const, code, details });
    if (signal?.aborted) return notSent(status.CANCELLED, "It was called off before it was sent.");
    if (this.#closed) return notSent(status.UNAVAILABLE, "The connection is closed."); // grpc-js would throw.
    return new Promise((resolve) => {
      const deadline = this.#env.now() + limitMs;
      // grpc-js loses a cancellation that comes in the turn of the call itself: the plugin would go on.
      const cancel = () => this.#env.soon(() => call.cancel());
      const call = method(request, this.#metadata, { deadline }, (error, value) => {
        signal?.removeEventListener("abort", cancel);
        if (error) resolve({ ok: false, code: error.code, details: error.details });
        else resolve({ ok: true, value });
      });
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }
}

/** `UNAVAILABLE: connection refused`: a failed answer as words. */
export function answerText({ code, details }: { code: status; details: string }): string {
  return details ? `${status[code]}: ${details}` : String(status[code]);
}
