/** The host's two doors: a unix socket for this machine's operator, and TCP on loopback for who has the token. */
import { chmodSync, renameSync, rmSync, statSync } from "node:fs";
import { type Env, type Millis, sleep } from "../base/env.ts";
import { Fault, messageOf, shown } from "../base/fault.ts";
import { answer, answerProbe, type ApiOptions, BODY_BYTES_MAX } from "./api.ts";
import { faultAnswer } from "./answer.ts";
import { guard } from "./guard.ts";
import { type SocketBridge, socketHandlers, socketPlugin } from "./plugin-socket.ts";

export interface HttpServerOptions extends Omit<ApiOptions, "closing"> {
  env: Env;
  hostname: string;
  /** 0 means any. */
  port: number;
  socketPath: string;
  /** The operator's token. */
  token: string;
  /** Hears of each request whose token is missing or wrong. */
  onWrongToken(): void;
  /** Makes a request a WebSocket of a plugin. Throws a Fault when that cannot be. */
  toSocket: (plugin: string, request: Request, server: Listener) => undefined;
}

type Listener = Bun.Server<SocketBridge>;

const CLOSE_MS: Millis = 2_000; // For calls that are being answered; those that wait for something are ended at once.
const IDLE_TIMEOUT_S = 255; // The most that Bun takes; a call may wait ten minutes and says nothing meanwhile.

export class HttpServer {
  readonly port: number;
  readonly #tcp: Listener;
  readonly #unix: Listener;
  readonly #socket: { path: string; inode: number | null };
  readonly #env: Env;
  readonly #closing = new AbortController();

  /** Listens. Throws a Fault when the port is taken. */
  constructor(options: HttpServerOptions) {
    const door = { ...options, closing: this.#closing.signal };
    this.#env = options.env;
    this.#tcp = listenTcp(door);
    this.port = this.#tcp.port ?? 0;
    this.#unix = listenUnix(door);
    this.#socket = { path: options.socketPath, inode: inodeOf(options.socketPath) };
  }

  /** Stops listening, lets calls that are under way be answered, and lets go of connections. */
  async close(): Promise<void> {
    this.#closing.abort();
    const { path, inode } = this.#socket;
    if (inodeOf(path) === inode) rmSync(path, { force: true }); // Otherwise another host has taken our place.
    const over = new AbortController();
    const answered = Promise.all([this.#tcp.stop(), this.#unix.stop()]);
    await Promise.race([answered, sleep(this.#env, CLOSE_MS, over.signal)]);
    over.abort();
    await Promise.all([this.#tcp.stop(true), this.#unix.stop(true)]);
  }
}

type Door = HttpServerOptions & ApiOptions;

function listenTcp(options: Door): Listener {
  const { hostname, port, log } = options;
  try {
    return Bun.serve({
      hostname,
      port,
      development: false,
      maxRequestBodySize: BODY_BYTES_MAX,
      idleTimeout: IDLE_TIMEOUT_S,
      error: (error) => faultAnswer(error, log),
      websocket: socketHandlers,
      fetch(request, server) {
        if (!URL.canParse(request.url)) return faultAnswer(noAddress(request), log);
        const probe = answerProbe(options, new URL(request.url).pathname);
        if (probe) return probe;
        try {
          guard(request, { ...options, port: server.port ?? 0 });
        } catch (error) {
          return faultAnswer(error, log);
        }
        server.timeout(request, 0);
        return answerOrUpgrade(options, request, server);
      },
    });
  } catch (error) {
    throw new Fault("config", `serve.port: cannot listen on ${hostname}:${port}: ${messageOf(error)}.`, {
      hint: "Choose another port with --port; 0 takes any that is free.",
      cause: error,
    });
  }
}

/** What a client writes into Host is put into the address of its request, whatever it is. */
function noAddress(request: Request): Fault {
  return new Fault("denied", `Host ${shown(request.headers.get("host") ?? "")} is no address.`);
}

function listenUnix(options: Door): Listener {
  const { socketPath, log } = options;
  const made = `${socketPath}~`; // Bun removes what it made when it closes, whoever's socket has that name by then.
  rmSync(made, { force: true });
  const server = Bun.serve({
    unix: made,
    development: false,
    maxRequestBodySize: BODY_BYTES_MAX,
    error: (error) => faultAnswer(error, log),
    websocket: socketHandlers,
    fetch: (request, server) => answerOrUpgrade(options, request, server),
  });
  chmodSync(made, 0o600);
  renameSync(made, socketPath); // There may be that of a host that was killed; the lock says that it is gone.
  return server;
}

function answerOrUpgrade(
  options: Door,
  request: Request,
  server: Listener,
): Promise<Response> | Response | undefined {
  const plugin = socketPlugin(new URL(request.url).pathname);
  if (plugin === undefined) return answer(options, request);
  try {
    return options.toSocket(plugin, request, server);
  } catch (error) {
    return faultAnswer(error, options.log);
  }
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}
