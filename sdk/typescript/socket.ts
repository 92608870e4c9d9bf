/**
 * Socket: one WebSocket of a browser at `/ws/<plugin>`, as a plugin's handler sees it:
 * messages to walk through, and `send`. PING and CLOSE are answered here.
 */
import { status } from "@grpc/grpc-js";
import { type WebSocketMessage, WebSocketMessage_Type as Type } from "../../proto/gen/protocol/domain.ts";
import { textOf } from "./ending.ts";
import { Refusal, type ServedStream } from "./server.ts";
import type { Host, Json } from "./qntx.ts";

/** What a browser sent over a WebSocket. */
export interface SocketMessage {
  readonly bytes: Uint8Array;
  text(): string;
  /** Throws a SyntaxError when it is not JSON. */
  json(): Json;
}

/** A WebSocket: walk through what the browser sends, until it goes. */
export interface Socket extends AsyncIterable<SocketMessage> {
  /** What stands behind the question mark of `/ws/<plugin>?…`. */
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Aborted when it is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** Resolves when there is room for the next one. Sends nothing when it is over. */
  send(data: string | Uint8Array): Promise<void>;
  /** Ends it, with a sentence for the browser. */
  close(reason?: string): void;
}

/** Speaks over one WebSocket at `/ws/<plugin>`, which is closed when it returns. */
export type SocketHandler = (socket: Socket, host: Host) => void | Promise<void>;

type Call = ServedStream<WebSocketMessage, WebSocketMessage>;

const UNREAD_MAX = 64; // Messages; then the host is made to wait.

/** Serves one call of HandleWebSocket. */
export function serveSocket(
  call: Call,
  { plugin, handler, host }: { plugin: string; handler: SocketHandler | undefined; host: Host },
): void {
  if (!handler) return call.fail(new Refusal(status.UNIMPLEMENTED, `${plugin} has no WebSocket.`));
  const socket = new ServedSocket(call);
  const run = async () => {
    await socket.connected;
    if (!socket.signal.aborted) await handler(socket, host);
  };
  run().then(
    () => socket.close(),
    (error: unknown) => {
      host.log.error(`a WebSocket failed: ${textOf(error)}`, {
        stack: error instanceof Error ? (error.stack ?? "") : "",
      });
      socket.fail(`Plugin ${plugin} failed to answer.`);
    },
  );
}

class ServedSocket implements Socket {
  query = new URLSearchParams();
  headers = new Headers();
  readonly connected: Promise<void>;
  readonly #call: Call;
  readonly #over = new AbortController();
  readonly #unread: SocketMessage[] = [];
  #wake = () => {};
  /** Who waits to send more. */
  #onRoom: (() => void)[] = [];
  #isFull = false;

  constructor(call: Call) {
    this.#call = call;
    const connected = Promise.withResolvers<void>();
    this.connected = connected.promise;
    call.on("data", (message: WebSocketMessage) => {
      this.#take(message);
      connected.resolve();
    });
    call.on("drain", () => this.#makeRoom());
    for (const event of ["end", "close"] as const)
      call.on(event, () => {
        this.#end();
        connected.resolve();
      });
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  async send(data: string | Uint8Array): Promise<void> {
    if (this.signal.aborted) return;
    if (this.#write(Type.DATA, Buffer.from(data))) return;
    await new Promise<void>((resolve) => this.#onRoom.push(resolve));
  }

  close(reason = ""): void {
    this.#finish(Type.CLOSE, reason);
  }

  /** Ends it as a failure. */
  fail(reason: string): void {
    this.#finish(Type.ERROR, reason);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SocketMessage> {
    while (true) {
      const message = this.#unread.shift();
      if (message) {
        if (this.#isFull && this.#unread.length === 0) this.#resume();
        yield message;
      } else if (this.signal.aborted) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #take({ type, data, headers, timestamp }: WebSocketMessage): void {
    if (type === Type.CONNECT) this.#connect(headers);
    else if (type === Type.PING) this.#write(Type.PONG, Buffer.alloc(0), timestamp);
    else if (type === Type.CLOSE || type === Type.ERROR) this.#end();
    else if (type === Type.DATA) {
      this.#unread.push(new ReadMessage(data));
      if (this.#unread.length >= UNREAD_MAX) this.#pause();
      this.#wake();
    }
  }

  #connect({ "qntx-query": query = "", ...headers }: Record<string, string>): void {
    this.query = new URLSearchParams(query);
    this.headers = new Headers(headers);
  }

  #makeRoom(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }

  #pause(): void {
    this.#isFull = true;
    this.#call.pause();
  }

  #resume(): void {
    this.#isFull = false;
    this.#call.resume();
  }

  #write(type: WebSocketMessage["type"], data: Buffer, timestamp = `${Date.now()}000000`): boolean {
    return this.#call.write({ type, data, headers: {}, timestamp });
  }

  #finish(type: WebSocketMessage["type"], reason: string): void {
    if (this.signal.aborted) return;
    this.#write(type, Buffer.from(reason));
    this.#end();
  }

  /** Both sides are over: whoever walks through the messages comes to their end. */
  #end(): void {
    if (this.signal.aborted) return;
    this.#over.abort();
    this.#wake();
    this.#makeRoom();
    this.#call.end();
  }
}

class ReadMessage implements SocketMessage {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  json(): Json {
    return JSON.parse(this.text());
  }
}
