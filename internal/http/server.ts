/** The host's two doors: a unix socket for this machine's operator, and TCP on loopback for who has the token. */
import { chmodSync, rmSync } from "node:fs";
import { Fault, messageOf } from "../base/fault.ts";
import { answer, answerProbe, type ApiOptions, BODY_BYTES_MAX } from "./api.ts";
import { faultAnswer } from "./answer.ts";
import { guard } from "./guard.ts";

export interface HttpServerOptions extends ApiOptions {
  hostname: string;
  /** 0 means any. */
  port: number;
  socketPath: string;
  /** The operator's token. */
  token: string;
}

type Listener = Bun.Server<undefined>;

const IDLE_TIMEOUT_S = 255; // The most that Bun takes; a call may wait ten minutes and says nothing meanwhile.

export class HttpServer {
  readonly port: number;
  readonly #tcp: Listener;
  readonly #unix: Listener;

  /** Listens. Throws a Fault when the port is taken. */
  constructor(options: HttpServerOptions) {
    this.#tcp = listenTcp(options);
    this.port = this.#tcp.port ?? 0;
    this.#unix = listenUnix(options);
  }

  /** Stops listening and lets go of connections. */
  async close(): Promise<void> {
    await Promise.all([this.#tcp.stop(true), this.#unix.stop(true)]);
  }
}

function listenTcp(options: HttpServerOptions): Listener {
  const { hostname, port, token, log } = options;
  try {
    return Bun.serve({
      hostname,
      port,
      development: false,
      maxRequestBodySize: BODY_BYTES_MAX,
      idleTimeout: IDLE_TIMEOUT_S,
      error: (error) => faultAnswer(error, log),
      fetch(request, server) {
        const probe = answerProbe(options, new URL(request.url).pathname);
        if (probe) return probe;
        try {
          guard(request, { port: server.port ?? 0, token });
        } catch (error) {
          return faultAnswer(error, log);
        }
        server.timeout(request, 0);
        return answer(options, request);
      },
    });
  } catch (error) {
    throw new Fault("config", `serve.port: cannot listen on ${hostname}:${port}: ${messageOf(error)}.`, {
      hint: "Choose another port with --port; 0 takes any that is free.",
      cause: error,
    });
  }
}

function listenUnix(options: HttpServerOptions): Listener {
  const { socketPath, log } = options;
  rmSync(socketPath, { force: true }); // Left by a host that was killed; the lock says that it is gone.
  const server = Bun.serve({
    unix: socketPath,
    development: false,
    maxRequestBodySize: BODY_BYTES_MAX,
    error: (error) => faultAnswer(error, log),
    fetch: (request) => answer(options, request),
  });
  chmodSync(socketPath, 0o600);
  return server;
}
