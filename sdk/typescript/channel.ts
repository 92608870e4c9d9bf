/**
 * Channel: one HTTP/2 connection to one process of this machine, and gRPC calls on it:
 * a host's to a plugin, and a plugin's to its host.
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
import { textOf } from "./ending.ts";
import { Frames, framed, sessionMemory } from "./frames.ts";
import { type Ending, endingOfStream } from "./grpc-status.ts";

/** What a call came back with. `details` is the peer's or the channel's own sentence; `trailers` only the peer has. */
export type Answer<T> = { ok: true; value: T } | ({ ok: false } & Ending);

/** What it takes from the world. */
export interface Clock {
  /** Monotonic, in milliseconds. */
  mono(): number;
  /** Runs `work` once after that, unless what it gives is called before. */
  after(delayMs: number, work: () => void): () => void;
}

export interface CallOptions {
  limitMs: number;
  /** Aborting it cancels the call, which the plugin is told. */
  signal?: AbortSignal | undefined;
  /** Sent beside the request; in ASCII. */
  headers?: Readonly<Record<string, string>>;
  /** Tries to connect until the limit, for somebody who does not listen yet. */
  waits?: boolean;
}

export interface ChannelOptions {
  /** `127.0.0.1:38700`. */
  address: string;
  /** For one message, either way. */
  bytesMax: number;
  /** Calls and streams on one connection; another one is made after them. */
  streamsMax?: number;
  /** The peer sent what is not taken, on a call of that path: why, as a sentence. */
  onRefused?: (path: string, why: string) => void;
}

/** What a stream of messages tells whoever opened it. */
export interface StreamEvents<R> {
  /** The peer has begun to answer. */
  opened?(): void;
  message(message: R): void;
  /** All that was written is on its way, after a `write` that said no. */
  drained(): void;
  /** It is over, and why. */
  ended(reason: string, ending: Ending): void;
}

/** Our end of a stream of messages. */
export interface MessageStream<Q> {
  /** False when the plugin does not keep up, and no more should follow until `drained`. */
  write(message: Q): boolean;
  pause(): void;
  resume(): void;
  isPaused(): boolean;
  /** No more is written. */
  end(): void;
  /** Ends it both ways, which the peer is told. */
  cancel(): void;
}

const STREAMS_MAX = 1_000_000_000; // HTTP/2 has numbers for 2^30 on one connection: a busy caller has used them in a day.
const CALLS_AT_ONCE_MAX = 800; // Bun sends more than a peer takes at once, which ends the connection: ours takes 1,000, streams among them.
const TIMEOUT_MAX = 99_999_999;
const RETRY_FIRST_MS = 100; // A plugin whose port line was missed is tried again soon.
const RETRY_MAX_MS = 1_000;

const CLOSED = "The connection is closed.";
const CALLED_OFF = "It was called off before it was sent.";
const HEADERS = {
  [constants.HTTP2_HEADER_METHOD]: "POST",
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
  [constants.HTTP2_HEADER_TE]: "trailers",
};

export class Channel {
  readonly #clock: Clock;
  readonly #address: string;
  readonly #bytesMax: number;
  readonly #streamsMax: number;
  readonly #onRefused: (path: string, why: string) => void;
  #streams = 0;
  /** Calls that have not ended, and those among them that wait until another has. */
  #calls = 0;
  readonly #waiting: (() => void)[] = [];
  #session: ClientHttp2Session | null = null;
  /** It, and those that take no new calls and still have old ones. */
  readonly #sessions = new Set<ClientHttp2Session>();
  #connected = false;
  #closed = false;
  /** Why the last connection ended. */
  #trouble = "";

  /** Opens nothing yet: the first call connects. */
  constructor(
    clock: Clock,
    { address, bytesMax, streamsMax = STREAMS_MAX, onRefused = () => {} }: ChannelOptions,
  ) {
    this.#clock = clock;
    this.#address = address;
    this.#bytesMax = bytesMax;
    this.#streamsMax = streamsMax;
    this.#onRefused = onRefused;
  }

  /** False when it has lost its peer, whether or not that process lives. */
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
    this.#forget(this.#session);
    for (const session of this.#sessions) session.destroy();
  }

  /** One request and its answer. Never rejects. */
  async call<Q, R>(method: MethodDefinition<Q, R>, request: Q, options: CallOptions): Promise<Answer<R>> {
    if (options.signal?.aborted) return refused(status.CANCELLED, CALLED_OFF);
    if (this.#closed) return refused(status.UNAVAILABLE, CLOSED);
    if (options.waits && !(await this.#reach(this.#clock.mono() + options.limitMs)))
      return refused(status.DEADLINE_EXCEEDED, this.#trouble || "Nobody answered.");
    const message = method.requestSerialize(request);
    const { length } = message;
    if (length > this.#bytesMax)
      return refused(
        status.RESOURCE_EXHAUSTED,
        `The request has ${length} bytes; at most ${this.#bytesMax} are sent.`,
      );
    const waitedMs = this.#calls++ < CALLS_AT_ONCE_MAX ? 0 : await this.#place();
    try {
      return await this.#send(method, message, { ...options, limitMs: options.limitMs - waitedMs });
    } catch (error) {
      return refused(status.UNAVAILABLE, textOf(error)); // A connection that breaks in this moment.
    } finally {
      this.#calls--;
      this.#waiting.shift()?.();
    }
  }

  /** Waits for the place of a call, which whoever ends hands on. Resolves with how long that took. */
  async #place(): Promise<number> {
    const from = this.#clock.mono();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#clock.mono() - from;
  }

  async #send<Q, R>(
    method: MethodDefinition<Q, R>,
    message: Uint8Array,
    options: CallOptions,
  ): Promise<Answer<R>> {
    if (options.signal?.aborted) return refused(status.CANCELLED, CALLED_OFF);
    if (options.limitMs <= 0) return refused(status.DEADLINE_EXCEEDED, "It waited longer than it may take.");
    const limits = { bytesMax: this.#bytesMax, refused: this.#refused(method.path) };
    const call = new UnaryCall(method, this.#request(method.path, options), limits);
    return call.run(framed(message), options, this.#clock);
  }

  /** A stream both ways. It has no deadline: it lives as long as the process. Throws when the channel is closed. */
  stream<Q, R>(
    method: MethodDefinition<Q, R>,
    events: StreamEvents<R>,
    options: Pick<CallOptions, "headers"> = {},
  ): MessageStream<Q> {
    const stream = this.#request(method.path, options);
    const frames = new Frames(this.#bytesMax);
    const refused = this.#refused(method.path);
    const ending = endingOfStream(stream);
    stream.once("response", () => events.opened?.());
    stream.on("data", (bytes: Buffer) => {
      const read = () => frames.push(bytes).map(method.responseDeserialize);
      for (const message of received(stream, read, refused)) events.message(message);
    });
    stream.on("drain", () => events.drained());
    stream.once("end", () => void stream.end()); // Otherwise our half of it stays open.
    stream.once("close", () => {
      const how = ending();
      const { code, details } = how;
      events.ended(code === status.OK ? "the other side closed it" : details || String(status[code]), how);
    });
    return {
      write: (message) => stream.write(framed(method.requestSerialize(message))),
      pause: () => void stream.pause(),
      resume: () => void stream.resume(),
      isPaused: () => stream.isPaused(),
      end: () => void stream.end(),
      cancel: () => stream.close(constants.NGHTTP2_CANCEL),
    };
  }

  #refused(path: string): (why: string) => void {
    return (why) => this.#onRefused(path, why);
  }

  #request(path: string, { headers, limitMs }: Partial<CallOptions>): ClientHttp2Stream {
    const session = this.#open();
    const stream = session.request({
      ...HEADERS,
      [constants.HTTP2_HEADER_PATH]: path,
      ...(limitMs !== undefined && { "grpc-timeout": timeoutText(limitMs) }),
      ...headers,
    });
    if (++this.#streams === this.#streamsMax) {
      this.#forget(session);
      session.close(); // When its last stream has ended.
    }
    return stream;
  }

  #open(): ClientHttp2Session {
    if (this.#session) return this.#session;
    if (this.#closed) throw new Error(CLOSED);
    const session = connect(`http://${this.#address}`, { maxSessionMemory: sessionMemory(this.#bytesMax) });
    this.#session = session;
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    this.#streams = 0;
    session.once("connect", () => (this.#connected = this.#session === session));
    session.on("error", (error) => (this.#trouble = textOf(error)));
    for (const event of ["goaway", "close"]) session.once(event, () => this.#forget(session));
    return session;
  }

  #forget(session: ClientHttp2Session | null): void {
    if (this.#session !== session) return;
    this.#session = null;
    this.#connected = false;
  }

  /** Connects, again and again. False when nobody was there until then. */
  async #reach(until: number): Promise<boolean> {
    for (let pauseMs = RETRY_FIRST_MS; !this.#connected && !this.#closed;) {
      await settled(this.#open());
      if (this.#connected) break;
      const leftMs = until - this.#clock.mono();
      if (leftMs <= 0) return false;
      await new Promise<void>((resolve) => void this.#clock.after(Math.min(pauseMs, leftMs), resolve));
      pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS);
    }
    return this.#connected;
  }
}

/** gRPC takes eight digits: of a ninth, servers refuse the call or read another number. */
function timeoutText(limitMs: number): string {
  const ms = Math.ceil(limitMs);
  return ms <= TIMEOUT_MAX ? `${ms}m` : `${Math.min(Math.ceil(ms / 1_000), TIMEOUT_MAX)}S`;
}

/** One call on its way. */
class UnaryCall<Q, R> {
  readonly #method: MethodDefinition<Q, R>;
  readonly #stream: ClientHttp2Stream;
  readonly #frames: Frames;
  readonly #refused: (why: string) => void;
  #message: Buffer | null = null;
  /** Set when it was ended here. */
  #given: Ending | null = null;

  constructor(
    method: MethodDefinition<Q, R>,
    stream: ClientHttp2Stream,
    { bytesMax, refused }: { bytesMax: number; refused: (why: string) => void },
  ) {
    this.#method = method;
    this.#stream = stream;
    this.#frames = new Frames(bytesMax);
    this.#refused = refused;
  }

  run(message: Buffer, { limitMs, signal }: CallOptions, clock: Clock): Promise<Answer<R>> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const ending = endingOfStream(stream);
      const late = () => this.#giveUp(status.DEADLINE_EXCEEDED, "It took longer than it may.");
      const cancelled = () => this.#giveUp(status.CANCELLED, "It was called off.");
      const disarm = clock.after(limitMs, late);
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
      this.#refused(textOf(error));
      this.#giveUp(status.RESOURCE_EXHAUSTED, textOf(error));
    }
  }

  #giveUp(code: status, details: string): void {
    this.#given ??= { code, details };
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #answer(ending: Ending): Answer<R> {
    if (ending.code !== status.OK) return { ok: false, ...ending };
    if (this.#message === null)
      return refused(status.INTERNAL, "It said that all is well, and nothing else.");
    try {
      return { ok: true, value: this.#method.responseDeserialize(this.#message) };
    } catch (error) {
      return refused(status.INTERNAL, `Its answer cannot be read: ${textOf(error)}`);
    }
  }
}

/** What was read; a stream on which something cannot be, is ended. */
function received<R>(stream: ClientHttp2Stream, read: () => R[], refused: (why: string) => void): R[] {
  try {
    return read();
  } catch (error) {
    refused(textOf(error));
    stream.destroy(new Error(textOf(error)));
    return [];
  }
}

/** A failed answer, or what was not sent. */
function refused(code: status, details: string): { ok: false } & Ending {
  return { ok: false, code, details };
}

/** Resolves when the connection stands, or does not come about. */
function settled(session: ClientHttp2Session): Promise<void> {
  if (!session.connecting) return Promise.resolve();
  return new Promise((resolve) => {
    for (const event of ["connect", "close"]) session.once(event, () => resolve());
  });
}
