/**
 * Ports: which one a plugin is asked to listen on. QNTX hands them out from
 * 38700 up, and a plugin that prints no port line is expected at exactly the
 * port that it was asked for.
 *
 * Between our look and its bind somebody else may take the port. Such a plugin
 * ends, and its next start is asked for another one.
 */
import { createServer } from "node:net";
import type { Env } from "../base/env.ts";
import { Fault } from "../base/fault.ts";

export const PORT_FIRST = 38_700;
export const PORTS_COUNT = 2_000; // Room for many plugins of many hosts on one machine.
const TRIES_MAX = 200;

/** Hands out ports one after the other, so that plugins that start side by side never get the same one. */
export class Ports {
  #next: number;

  /** Starts somewhere in the range, so that two hosts seldom reach for the same port. */
  constructor(env: Env) {
    this.#next = Math.floor(env.random() * PORTS_COUNT);
  }

  /** Finds a port of 127.0.0.1 that is free now. Throws a Fault when there is none. */
  async take(): Promise<number> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const port = PORT_FIRST + (this.#next++ % PORTS_COUNT);
      if (await isFree(port)) return port;
    }
    throw new Fault(
      "failed",
      `No free port was found between ${PORT_FIRST} and ${PORT_FIRST + PORTS_COUNT}.`,
    );
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
