/**
 * WebSocket: one connection of a browser, as a stream of the plugin's HandleWebSocket.
 *
 * As QNTX speaks it: CONNECT first, then DATA both ways, a PING every half minute which
 * the plugin answers with a PONG, and CLOSE or ERROR at the end. Whichever side ends it,
 * and however the plugin goes, the other side is told why.
 */
import { type WebSocketMessage, WebSocketMessage_Type as Type } from "../../proto/gen/protocol/domain.ts";
import { formatDuration } from "../base/duration.ts";
import type { Cancel, Env, Millis } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import type { Redactor } from "../base/redactor.ts";
import type { MessageStream } from "../../sdk/typescript/channel.ts";
import { orNothing } from "./patience.ts";
import { noRightToServe } from "./http.ts";
import type { Session } from "./session.ts";

/** What the browser asked with. */
export interface SocketRequest {
  /** Without the question mark. */
  query: string;
  headers: Record<string, string>;
}

/** Why it is over, in a WebSocket's own numbers. */
export interface SocketEnd {
  code: 1000 | 1007 | 1008 | 1011 | 1012 | 1013;
  reason: string;
}

/** What a plugin's end tells the browser's. */
export interface SocketEvents {
  /** `timestamp` is in nanoseconds since 1970. */
  data(said: Pick<WebSocketMessage, "data" | "headers" | "timestamp">): void;
  /** Told once. */
  ended(end: SocketEnd): void;
}

export interface SocketOptions {
  env: Env;
  plugin: string;
  session: Session;
  redactor: Redactor;
  request: SocketRequest;
  /** True while the plugin is wanted: otherwise an end is that of its process. */
  isServing(): boolean;
  /** False when the plugin may not answer requests any more. */
  mayServe(): boolean;
  /** It is over, or was never opened. */
  released(): void;
}

export const SOCKETS_MAX = 64; // Of one plugin: many servers take a hundred calls on a connection, and jobs are calls, too.
export const PING_EVERY_MS: Millis = 30_000; // As QNTX.
export const PONG_WITHIN_MS: Millis = 60_000; // As QNTX.
export const QUEUE_BYTES_MAX = 4_194_304; // For a plugin that does not keep up; a browser cannot be asked to wait.
const DEATH_NOTICE_MS: Millis = 200;
const NANOS = "000000"; // Behind milliseconds.
/** What gRPC or HTTP/2 would take for its own, and what only the host says. */
const RESERVED =
  /^(grpc-.*|qntx-.*|.*-bin|te|content-type|host|connection|upgrade|transfer-encoding|keep-alive|proxy-.*|user-agent|authorization)$/;

export class PluginSocket {
  readonly #options: SocketOptions;
  #events: SocketEvents | null = null;
  #stream: MessageStream<WebSocketMessage> | null = null;
  #queue: WebSocketMessage[] = [];
  #queuedBytes = 0;
  #isFull = false;
  #cancelPing: Cancel = () => {};
  #lastPongAt = 0;
  #isOver = false;

  /** Opens nothing yet. */
  constructor(options: SocketOptions) {
    this.#options = options;
  }

  /** Opens the stream. What goes wrong is told as its end. */
  open(events: SocketEvents): void {
    const { session, request } = this.#options;
    this.#events = events;
    try {
      this.#stream = session.connection.webSocket(metadataOf(request.query), {
        message: (message) => this.#take(message),
        drained: () => this.#drain(),
        ended: (reason) => void this.#ended(reason),
      });
    } catch (error) {
      return this.#end({ code: 1011, reason: messageOf(error) });
    }
    this.#write({ type: Type.CONNECT, headers: { ...request.headers, "qntx-query": request.query } });
    this.#lastPongAt = this.#options.env.mono();
    this.#pingLater();
  }

  /** What the browser said. A plugin that does not keep up loses the connection. */
  send(data: Uint8Array, headers: Record<string, string>): void {
    if (!this.#mayGoOn()) return;
    this.#write({ type: Type.DATA, data, headers });
    const { plugin } = this.#options;
    if (this.#queuedBytes > QUEUE_BYTES_MAX)
      this.#end({ code: 1013, reason: `Plugin ${plugin} does not keep up.` });
  }

  /** The browser reads slowly: the plugin is made to wait. */
  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  /** The browser has gone, or was never there. Safe to call twice. */
  close(): void {
    this.#end(null);
  }

  #take(message: WebSocketMessage): void {
    if (this.#isOver) return;
    const { type, data } = message;
    if (type === Type.DATA) return this.#mayGoOn() ? this.#events?.data(message) : undefined;
    if (type === Type.PING) return this.#write({ type: Type.PONG, timestamp: message.timestamp });
    if (type === Type.PONG) this.#lastPongAt = this.#options.env.mono();
    if (type === Type.CLOSE) this.#end({ code: 1000, reason: data.toString() });
    if (type === Type.ERROR) this.#end({ code: 1011, reason: data.toString() });
  }

  /** The streams of a process that dies end a moment before its death is known, and then that is the reason. */
  async #ended(reason: string): Promise<void> {
    const { env, plugin, session, isServing } = this.#options;
    if (isServing() && !this.#isOver) await orNothing(env, DEATH_NOTICE_MS, session.over);
    if (isServing()) this.#end({ code: 1011, reason: `Plugin ${plugin} ended it: ${reason}` });
    else this.#end({ code: 1012, reason: `Plugin ${plugin} was stopped or restarted.` });
  }

  #pingLater(): void {
    this.#cancelPing = this.#options.env.after(PING_EVERY_MS, () => {
      if (!this.#mayGoOn()) return;
      const { env, plugin } = this.#options;
      if (env.mono() - this.#lastPongAt > PONG_WITHIN_MS) {
        const reason = `Plugin ${plugin} has answered no PING for ${formatDuration(PONG_WITHIN_MS)}.`;
        return this.#end({ code: 1011, reason });
      }
      this.#write({ type: Type.PING });
      this.#pingLater();
    });
  }

  /** What is revoked ends what is open, at the next word or PING. */
  #mayGoOn(): boolean {
    const { mayServe, plugin } = this.#options;
    if (mayServe()) return true;
    this.#end({ code: 1008, reason: noRightToServe(plugin).message });
    return false;
  }

  #write(
    said: Pick<WebSocketMessage, "type"> & {
      data?: Uint8Array;
      headers?: Record<string, string>;
      timestamp?: string;
    },
  ): void {
    if (this.#isOver || !this.#stream) return;
    const {
      type,
      data = new Uint8Array(),
      headers = {},
      timestamp = `${this.#options.env.now()}${NANOS}`,
    } = said;
    const message = { type, data: Buffer.from(data), headers, timestamp };
    if (!this.#isFull) {
      this.#isFull = !this.#stream.write(message);
      return;
    }
    this.#queue.push(message);
    this.#queuedBytes += data.length;
  }

  #drain(): void {
    this.#isFull = false;
    const queue = this.#queue;
    let sent = 0;
    while (sent < queue.length && !this.#isFull) {
      const message = queue[sent++];
      if (!message || !this.#stream) break;
      this.#queuedBytes -= message.data.length;
      this.#isFull = !this.#stream.write(message);
    }
    this.#queue = queue.slice(sent);
  }

  /** Ends both sides. Null when the browser ended it, and needs not be told. */
  #end(end: SocketEnd | null): void {
    if (this.#isOver) return;
    if (end === null) this.#write({ type: Type.CLOSE });
    this.#isOver = true;
    this.#cancelPing();
    if (end === null) this.#stream?.end();
    else this.#stream?.cancel();
    this.#stream?.resume(); // What is paused hears of no end.
    this.#options.released();
    // Why a plugin ends it is in its own words, and people read them.
    if (end !== null) this.#events?.ended({ ...end, reason: this.#options.redactor.redact(end.reason) });
  }
}

/** Counts the connections of each plugin. */
export class SocketCounts {
  readonly #counts = new Map<string, number>();

  /** One more, until what it gives is called. Throws a Fault when there are too many. */
  take(plugin: string): () => void {
    const count = this.#counts.get(plugin) ?? 0;
    if (count >= SOCKETS_MAX)
      throw new Fault(
        "exhausted",
        `Plugin ${plugin} has ${SOCKETS_MAX} WebSockets open, and no more at once.`,
      );
    this.#counts.set(plugin, count + 1);
    return () => this.#counts.set(plugin, Math.max(0, (this.#counts.get(plugin) ?? 0) - 1));
  }
}

/** Query parameters beside the call, as QNTX hands them over. What cannot be a header is in `qntx-query` alone. */
function metadataOf(query: string): Record<string, string> {
  const entries = [...new URLSearchParams(query)].map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  );
  const fit = entries.filter(
    ([name, value]) =>
      /^[a-z][a-z0-9_.-]*$/.test(name) && !RESERVED.test(name) && /^[\x20-\x7e]*$/.test(value),
  );
  return Object.fromEntries(fit);
}
