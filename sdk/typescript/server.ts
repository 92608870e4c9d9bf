/**
 * Server: one HTTP/2 port of this machine, and gRPC calls on it. The other end of `Channel`,
 * for what a plugin asks of its host and a host of its plugin.
 *
 * grpc-js leads each call through interceptors, queues and counters that nobody looks at,
 * which cost as much as all the rest; see docs/decisions/calls-over-http2.md.
 *
 * No timer ends a call whose caller has lost its patience: who waits no longer says so.
 */
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { gunzipSync, inflateSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { textOf } from "./ending.ts";
import { Frames, framed, sessionMemory } from "./frames.ts";

/** Why a call is refused: thrown by a method, or what a stream fails with. */
export class Refusal extends Error {
  readonly code: status;
  /** Sent beside the status; in ASCII. */
  readonly trailers: Readonly<Record<string, string>>;

  constructor(code: status, details: string, trailers: Readonly<Record<string, string>> = {}) {
    super(details);
    this.code = code;
    this.trailers = trailers;
  }
}

/** One request, one answer. What is thrown and is no Refusal is INTERNAL. */
export type UnaryMethod<Q, A> = (request: Q, call: Call) => A | Promise<A>;
/** One request, any number of answers. */
export type StreamMethod<Q, A> = (request: Q, stream: ServedStream<unknown, A>) => void;
/** Any number of both. */
export type DuplexMethod<Q, A> = (stream: ServedStream<Q, A>) => void;

/** What answers the methods of a service. */
export type Methods<Service> = {
  [Name in keyof Service]: Service[Name] extends Shape<infer Q, infer A>
    ? Service[Name] extends { requestStream: true }
      ? DuplexMethod<Q, A>
      : Service[Name] extends { responseStream: true }
        ? StreamMethod<Q, A>
        : UnaryMethod<Q, A>
    : never;
};

/** A method as the generated code has it. */
export interface Shape<Q, A> {
  path: string;
  requestDeserialize: (bytes: Buffer) => Q;
  responseSerialize: (value: A) => Buffer;
}

type Service = Record<string, Shape<unknown, never> & { requestStream: boolean; responseStream: boolean }>;

/** How a call is taken. */
type Take = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

const CALLS_AT_ONCE_MAX = 1_000; // On one connection: each that never ends is held in 2 kB. Clients wait with more.
// Clients in C read 8 KiB of headers in all, and end the connection when they are sent 64.
const SENTENCE_BYTES_MAX = 3_000;
const TRAILER_BYTES_MAX = 4_000; // One that is longer is left out: it is beside a sentence.
const TYPE = "application/grpc";
const ANSWER = {
  [constants.HTTP2_HEADER_STATUS]: 200,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: `${TYPE}+proto`,
};
const BEFORE_TRAILERS = { waitForTrailers: true, sendDate: false };
const ALONE = { endStream: true, sendDate: false };
const ENCODINGS = { "grpc-accept-encoding": "identity,deflate,gzip" };
const WELL = { "grpc-status": "0" };

/** One call, for whoever answers it. */
export class Call {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.#headers = headers;
  }

  /** What the caller sent beside the request; empty when it did not. */
  header(name: string): string {
    return headerIn(this.#headers, name);
  }

  /** Runs `work` when the call is over, or its caller waits no longer. */
  onClosed(work: () => void): void {
    if (this.#stream.closed) work();
    else this.#stream.once("close", work);
  }

  /** How long the caller waits; null when it does not say. */
  get limitMs(): number | null {
    const [, count, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(this.header("grpc-timeout")) ?? [];
    return count === undefined ? null : Number(count) * (UNITS[unit] ?? 0);
  }
}

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** A call whose answers, or whose requests and answers, are a stream. */
export class ServedStream<Q, A> extends Call {
  readonly #stream: ServerHttp2Stream;
  readonly #requests: Requests<Q>;
  readonly #serialize: (message: A) => Buffer;
  #ended = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { requests, serialize }: { requests: Requests<Q>; serialize: (message: A) => Buffer },
  ) {
    super(stream, headers);
    this.#stream = stream;
    this.#requests = requests;
    this.#serialize = serialize;
  }

  on(event: "data", listener: (message: Q) => void): void;
  on(event: "drain" | "end" | "close", listener: () => void): void;
  on(event: string, listener: (message: Q) => void): void {
    if (event === "data") this.#stream.on("data", (bytes: Buffer) => this.#take(bytes).forEach(listener));
    else this.#stream.on(event, listener);
  }

  /** Tells the caller that it is heard, before there is anything to say. */
  open(): void {
    if (!this.#stream.headersSent && isOpen(this.#stream)) this.#stream.respond(ANSWER, BEFORE_TRAILERS);
  }

  /** False when no more should follow until "drain"; `sent` is called when it is on its way. */
  write(message: A, sent?: () => void): boolean {
    if (this.#ended || !isOpen(this.#stream)) return true;
    this.open();
    return this.#stream.write(framed(this.#serialize(message)), sent);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** All is said, and well. */
  end(): void {
    this.#end(WELL);
  }

  /** Ends it with a status, behind what was written. */
  fail(refusal: Refusal): void {
    this.#end(trailersOf(refusal));
  }

  #end(trailers: Readonly<Record<string, string>>): void {
    if (this.#ended || !isOpen(this.#stream)) return;
    this.#ended = true;
    this.open();
    this.#stream.once("wantTrailers", () => this.#stream.sendTrailers(trailers));
    this.#stream.end();
    this.#stream.resume(); // What still comes is nobody's.
  }

  #take(bytes: Buffer): Q[] {
    try {
      return this.#ended ? [] : this.#requests.take(bytes);
    } catch (error) {
      this.fail(refusalOf(error));
      return [];
    }
  }
}

/** A call whose messages are not taken. */
export interface RefusedCall {
  path: string;
  header(name: string): string;
}

interface ServerOptions {
  /** For one message that comes. */
  bytesMax: number;
  /** Hears of messages that are too large, or cannot be read, which no method does: why, as a sentence. */
  onRefused?: (call: RefusedCall, why: string) => void;
}

export class GrpcServer {
  readonly #bytesMax: number;
  readonly #onRefused: (call: RefusedCall, why: string) => void;
  readonly #methods = new Map<string, Take>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #server: Http2Server;

  constructor({ bytesMax, onRefused = () => {} }: ServerOptions) {
    this.#bytesMax = bytesMax;
    this.#onRefused = onRefused;
    const settings = { maxConcurrentStreams: CALLS_AT_ONCE_MAX };
    this.#server = createServer({ settings, maxSessionMemory: sessionMemory(bytesMax) });
    this.#server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("error", () => {}); // It is closed then, and its calls with it.
      session.once("close", () => this.#sessions.delete(session));
    });
    this.#server.on("stream", (stream: ServerHttp2Stream, headers) => this.#take(stream, headers));
  }

  /** Answers the calls of a service. */
  add<S extends Service>(service: S, methods: Methods<S>): void {
    for (const [name, shape] of Object.entries(service)) {
      const method = methods[name] as never; // Its type says that it is this shape's.
      if (shape.requestStream) this.duplex(shape, method);
      else if (shape.responseStream) this.stream(shape, method);
      else this.unary(shape, method);
    }
  }

  unary<Q, A>(shape: Shape<Q, A>, method: UnaryMethod<Q, A>): void {
    this.#methods.set(shape.path, (stream, headers) =>
      this.#requests(shape, headers).first(stream, (request) => {
        void answer(stream, async () =>
          shape.responseSerialize(await method(request, new Call(stream, headers))),
        );
      }),
    );
  }

  stream<Q, A>(shape: Shape<Q, A>, method: StreamMethod<Q, A>): void {
    const serialize = shape.responseSerialize;
    this.#methods.set(shape.path, (stream, headers) => {
      const requests = this.#requests(shape, headers);
      requests.first(stream, (request) =>
        method(request, new ServedStream<unknown, A>(stream, headers, { requests, serialize })),
      );
    });
  }

  duplex<Q, A>(shape: Shape<Q, A>, method: DuplexMethod<Q, A>): void {
    const serialize = shape.responseSerialize;
    this.#methods.set(shape.path, (stream, headers) =>
      method(new ServedStream(stream, headers, { requests: this.#requests(shape, headers), serialize })),
    );
  }

  /** Listens on this machine alone, and resolves with the port; 0 takes any. */
  listen(port: number): Promise<number> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        server.off("error", reject);
        const address = server.address();
        resolve(typeof address === "object" && address ? address.port : 0);
      });
    });
  }

  /** Takes no more calls, and resolves when those that there are have ended. */
  drain(): Promise<void> {
    for (const session of this.#sessions) session.close();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }

  /** Ends everything at once. */
  close(): void {
    this.#server.close();
    for (const session of this.#sessions) session.destroy();
  }

  #requests<Q>({ path, requestDeserialize }: Shape<Q, never>, headers: IncomingHttpHeaders): Requests<Q> {
    const encoding = headers["grpc-encoding"];
    const refused = (why: string) =>
      this.#onRefused({ path, header: (name) => headerIn(headers, name) }, why);
    return new Requests(requestDeserialize, { encoding, bytesMax: this.#bytesMax, refused });
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on("error", () => {}); // It closes then, which is what its call hears.
    if (!headers["content-type"]?.startsWith(TYPE))
      return stream.respond({ [constants.HTTP2_HEADER_STATUS]: 415 }, ALONE);
    const path = String(headers[constants.HTTP2_HEADER_PATH]);
    const method = this.#methods.get(path);
    if (method) method(stream, headers);
    else refuse(stream, new Refusal(status.UNIMPLEMENTED, `The server does not implement ${path}.`));
  }
}

interface RequestsOptions {
  encoding: string | string[] | undefined;
  bytesMax: number;
  /** Hears why one is not taken. */
  refused: (why: string) => void;
}

/** The messages of a caller. Other clients than ours may compress them. */
class Requests<Q> {
  readonly #deserialize: (bytes: Buffer) => Q;
  readonly #frames: Frames;
  readonly #refused: (why: string) => void;

  constructor(deserialize: (bytes: Buffer) => Q, { encoding, bytesMax, refused }: RequestsOptions) {
    this.#deserialize = deserialize;
    this.#refused = refused;
    this.#frames = new Frames(bytesMax, (message) =>
      inflated(message, String(encoding ?? "identity"), bytesMax),
    );
  }

  /** Those that are whole now. Throws a Refusal for what cannot be taken. */
  take(bytes: Buffer): Q[] {
    let messages: Buffer[];
    try {
      messages = this.#frames.push(bytes);
    } catch (error) {
      this.#refused(textOf(error));
      throw error instanceof Refusal ? error : new Refusal(status.RESOURCE_EXHAUSTED, textOf(error));
    }
    return messages.map((message) => this.#deserialize(message));
  }

  /** Hands on the one that a call has; a call that has none is refused. */
  first(stream: ServerHttp2Stream, work: (request: Q) => void): void {
    let over = false;
    stream.on("data", (bytes: Buffer) => {
      if (over) return;
      try {
        const requests = this.take(bytes);
        if (requests.length === 0) return;
        over = true;
        requests.slice(0, 1).forEach(work);
      } catch (error) {
        over = true;
        refuse(stream, refusalOf(error));
      }
    });
    stream.once("end", () => {
      if (!over) refuse(stream, new Refusal(status.INTERNAL, "The call brought no whole message."));
    });
  }
}

/** What a message was before it was compressed. */
function inflated(message: Buffer, encoding: string, maxOutputLength: number): Buffer {
  const inflate = encoding === "gzip" ? gunzipSync : encoding === "deflate" ? inflateSync : null;
  if (!inflate)
    throw new Refusal(status.UNIMPLEMENTED, `Messages compressed by ${encoding} are not taken.`, ENCODINGS);
  try {
    return inflate(message, { maxOutputLength });
  } catch (error) {
    if (error instanceof RangeError) throw error; // It is larger than that.
    throw new Refusal(status.INTERNAL, `The message cannot be read by ${encoding}: ${textOf(error)}`);
  }
}

function headerIn(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === "string" ? value : "";
}

async function answer(stream: ServerHttp2Stream, work: () => Promise<Buffer>): Promise<void> {
  try {
    const bytes = await work();
    if (!isOpen(stream)) return;
    stream.respond(ANSWER, BEFORE_TRAILERS);
    stream.once("wantTrailers", () => stream.sendTrailers(WELL));
    stream.end(framed(bytes));
  } catch (error) {
    refuse(stream, refusalOf(error));
  }
}

function isOpen(stream: ServerHttp2Stream): boolean {
  return !stream.destroyed && !stream.closed;
}

/** Answers with a status and nothing else. */
function refuse(stream: ServerHttp2Stream, refusal: Refusal): void {
  if (!isOpen(stream) || stream.headersSent) return;
  stream.respond({ ...ANSWER, ...trailersOf(refusal) }, ALONE);
  stream.resume(); // What still comes is nobody's.
}

function refusalOf(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal(status.INTERNAL, textOf(error));
}

function trailersOf({ code, message, trailers }: Refusal): Record<string, string> {
  const said = { "grpc-status": String(code), "grpc-message": encoded(message) };
  const more = Object.entries(trailers).filter(([, value]) => value.length <= TRAILER_BYTES_MAX);
  return { ...said, ...Object.fromEntries(more) };
}

/** A sentence in ASCII: of a long one, the beginning. */
function encoded(text: string): string {
  for (let chars = Math.min(text.length, SENTENCE_BYTES_MAX); ; chars = Math.floor(chars / 1.5)) {
    const cut = chars < text.length ? `${text.slice(0, chars)}…` : text;
    const ascii = encodeURI(cut.toWellFormed());
    if (ascii.length <= SENTENCE_BYTES_MAX) return ascii;
  }
}
