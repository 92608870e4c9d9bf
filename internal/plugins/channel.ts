/**
 * Channel: one HTTP/2 connection to one plugin, and gRPC calls on it.
 *
 * On the wire gRPC is little: a POST to a path, five bytes before each message, and a
 * status behind the last one. grpc-js leads each call through filters, retries and
 * balancers that nobody needs towards one process on the same machine, and they cost
 * more than the call: 15,000 calls a second, of 37,000 that Bun's HTTP/2 makes.
 *
 * It connects with its first call, and again with the first one after it was cut.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { type MethodDefinition, status } from "@grpc/grpc-js";
import { type Env, type Millis, sleep } from "../base/env.ts";
import { messageOf } from "../base/fault.ts";
import { Frames, framed } from "./frames.ts";
import { type Ending, endingOfStream } from "./grpc-status.ts";

/** What a call came back with. `details` is the plugin's or the channel's own sentence. */
export type Answer<T> = { ok: true; value: T } | { ok: false; code: status; details: string };

export interface CallOptions {
  limitMs: Millis;
  /** Aborting it cancels the call, which the plugin is told. */
  signal?: AbortSignal | undefined;
  /** Sent beside the request; in ASCII. */
  headers?: Readonly<Record<string, string>>;
  /** Tries to connect until the limit, for somebody who does not listen yet. */
  waits?: boolean;
}

/** What a stream of messages tells whoever opened it. */
export interface StreamEvents<R> {
  message(message: R): void;
  /** All that was written is on its way, after a `write` that said no. */
  drained(): void;
  /** It is over, and why. */
  ended(reason: string): void;
}

/** Our end of a stream of messages. */
export interface MessageStream<Q> {
  /** False when the plugin does not keep up, and no more should follow until `drained`. */
  write(message: Q): boolean;
  pause(): void;
  resume(): void;
  isPaused(): boolean;
}

export const MESSAGE_BYTES_MAX = 16_777_216; // 16 MiB either way: QNTX allows 100, and one such answer would be the host's whole memory.
const RETRY_FIRST_MS = 100; // A plugin whose port line was missed is tried again soon.
const RETRY_MAX_MS = 1_000;

const HEADERS = {
  [constants.HTTP2_HEADER_METHOD]: "POST",
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
  [constants.HTTP2_HEADER_TE]: "trailers",
};

export class Channel {
  readonly #env: Env;
  readonly #address: string;
  #session: ClientHttp2Session | null = null;
  #connected = false;
  #closed = false;
  /** Why the last connection ended. */
  #trouble = "";

  /** Opens nothing yet: the first call connects. */
  constructor(env: Env, address: string) {
    this.#env = env;
    this.#address = address;
  }

  /** False when it has lost the plugin, whether or not its process lives. */
  get isConnected(): boolean {
    return this.#connected;
  }

  /** Resolves when it is no longer connected. */
  disconnected(): Promise<void> {
    const session = this.#session;
    if (!session || !this.#connected) return Promise.resolve();
    return new Promise((resolve) => {
      for (const event of ["goaway", "close"]) session.once(event, resolve);
    });
  }

  /** Ends the connection and every call on it. Safe to call twice. */
  close(): void {
    this.#closed = true;
    this.#session?.destroy();
    this.#forget(this.#session);
  }

  /** One request and its answer. Never rejects. */
  async call<Q, R>(method: MethodDefinition<Q, R>, request: Q, options: CallOptions): Promise<Answer<R>> {
    if (options.signal?.aborted) return refused(status.CANCELLED, "It was called off before it was sent.");
    if (this.#closed) return refused(status.UNAVAILABLE, "The connection is closed.");
    const until = this.#env.mono() + options.limitMs;
    if (options.waits && !(await this.#reach(until)))
      return refused(status.DEADLINE_EXCEEDED, this.#trouble || "Nobody answered.");
    const message = method.requestSerialize(request);
    const { length } = message;
    if (length > MESSAGE_BYTES_MAX)
      return refused(
        status.RESOURCE_EXHAUSTED,
        `The request has ${length} bytes; at most ${MESSAGE_BYTES_MAX} are sent.`,
      );
    try {
      return new UnaryCall(this.#env, method, this.#request(method.path, options)).run(
        framed(message),
        options,
      );
    } catch (error) {
      return refused(status.UNAVAILABLE, messageOf(error)); // A connection that breaks in this moment.
    }
  }

  /** A stream both ways. It has no deadline: it lives as long as the process. */
  stream<Q, R>(method: MethodDefinition<Q, R>, events: StreamEvents<R>): MessageStream<Q> {
    const stream = this.#request(method.path, {});
    const frames = new Frames(MESSAGE_BYTES_MAX);
    const ending = endingOfStream(stream);
    stream.on("data", (bytes: Buffer) => {
      for (const message of received(stream, () => frames.push(bytes).map(method.responseDeserialize)))
        events.message(message);
    });
    stream.on("drain", () => events.drained());
    stream.once("end", () => void stream.end()); // Otherwise our half of it stays open.
    stream.once("close", () => {
      const { code, details } = ending();
      events.ended(code === status.OK ? "the plugin closed it" : details || String(status[code]));
    });
    return {
      write: (message) => stream.write(framed(method.requestSerialize(message))),
      pause: () => void stream.pause(),
      resume: () => void stream.resume(),
      isPaused: () => stream.isPaused(),
    };
  }

  #request(path: string, { headers, limitMs }: Partial<CallOptions>): ClientHttp2Stream {
    return this.#open().request({
      ...HEADERS,
      [constants.HTTP2_HEADER_PATH]: path,
      ...(limitMs !== undefined && { "grpc-timeout": `${Math.ceil(limitMs)}m` }),
      ...headers,
    });
  }

  #open(): ClientHttp2Session {
    if (this.#session) return this.#session;
    const session = connect(`http://${this.#address}`);
    this.#session = session;
    session.once("connect", () => (this.#connected = this.#session === session));
    session.on("error", (error) => (this.#trouble = messageOf(error)));
    for (const event of ["goaway", "close"]) session.once(event, () => this.#forget(session));
    return session;
  }

  #forget(session: ClientHttp2Session | null): void {
    if (this.#session !== session) return;
    this.#session = null;
    this.#connected = false;
  }

  /** Connects, again and again. False when nobody was there until then. */
  async #reach(until: Millis): Promise<boolean> {
    for (let pauseMs = RETRY_FIRST_MS; !this.#connected && !this.#closed;) {
      await settled(this.#open());
      if (this.#connected) break;
      const leftMs = until - this.#env.mono();
      if (leftMs <= 0) return false;
      await sleep(this.#env, Math.min(pauseMs, leftMs));
      pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS);
    }
    return this.#connected;
  }
}

/** One call on its way. */
class UnaryCall<Q, R> {
  readonly #env: Env;
  readonly #method: MethodDefinition<Q, R>;
  readonly #stream: ClientHttp2Stream;
  readonly #frames = new Frames(MESSAGE_BYTES_MAX);
  #message: Buffer | null = null;
  /** Set when it was ended here. */
  #given: Ending | null = null;

  constructor(env: Env, method: MethodDefinition<Q, R>, stream: ClientHttp2Stream) {
    this.#env = env;
    this.#method = method;
    this.#stream = stream;
  }

  run(message: Buffer, { limitMs, signal }: CallOptions): Promise<Answer<R>> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const ending = endingOfStream(stream);
      const late = () => this.#giveUp(status.DEADLINE_EXCEEDED, "It took longer than it may.");
      const cancelled = () => this.#giveUp(status.CANCELLED, "It was called off.");
      const disarm = this.#env.after(limitMs, late);
      signal?.addEventListener("abort", cancelled, { once: true });
      stream.on("data", (bytes: Buffer) => this.#take(bytes));
      stream.once("close", () => {
        disarm();
        signal?.removeEventListener("abort", cancelled);
        resolve(this.#answer(this.#given ?? ending()));
      });
      stream.end(message);
    });
  }

  #take(bytes: Buffer): void {
    try {
      this.#message ??= this.#frames.push(bytes)[0] ?? null;
    } catch (error) {
      this.#giveUp(status.RESOURCE_EXHAUSTED, messageOf(error));
    }
  }

  #giveUp(code: status, details: string): void {
    this.#given ??= { code, details };
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #answer({ code, details }: Ending): Answer<R> {
    if (code !== status.OK) return refused(code, details);
    if (this.#message === null)
      return refused(status.INTERNAL, "It said that all is well, and nothing else.");
    try {
      return { ok: true, value: this.#method.responseDeserialize(this.#message) };
    } catch (error) {
      return refused(status.INTERNAL, `Its answer cannot be read: ${messageOf(error)}`);
    }
  }
}

/** What was read; a stream on which something cannot be, is ended. */
function received<R>(stream: ClientHttp2Stream, read: () => R[]): R[] {
  try {
    return read();
  } catch (error) {
    stream.destroy(new Error(messageOf(error)));
    return [];
  }
}

/** A failed answer, or what was not sent. */
function refused(code: status, details: string): { ok: false; code: status; details: string } {
  return { ok: false, code, details };
}

/** Resolves when the connection stands, or does not come about. */
function settled(session: ClientHttp2Session): Promise<void> {
  if (!session.connecting) return Promise.resolve();
  return new Promise((resolve) => {
    for (const event of ["connect", "close"]) session.once(event, () => resolve());
  });
}
