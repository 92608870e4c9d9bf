/**
 * Ports: which one a plugin is asked to listen on. QNTX hands them out from
 * 38700 up, and a plugin that prints no port line is expected at exactly the
 * port that it was asked for.
 *
 * A plugin binds its port a second after we have found that it is free. Hosts
 * that start side by side keep out of each other's way: who hands out a port holds
 * the UDP port of the same number, which no plugin wants, for as long as its plugin
 * runs. Whoever else may still take it; then the plugin is asked for another one.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { Env } from "../base/env.ts";
import { Fault } from "../base/fault.ts";

export const PORT_FIRST = 38_700;
export const PORTS_COUNT = 2_000; // Room for many plugins of many hosts on one machine.
const TRIES_MAX = 200;
const LOCAL = "127.0.0.1";

/** A port that no other host hands out before it is given back. */
export interface TakenPort extends Disposable {
  port: number;
}

/** Hands out ports one after the other, so that plugins that start side by side never get the same one. */
export class Ports {
  #next: number;

  /** Starts somewhere in the range, so that two hosts seldom reach for the same port. */
  constructor(env: Env) {
    this.#next = Math.floor(env.random() * PORTS_COUNT);
  }

  /** Finds a port of 127.0.0.1 that is free now. Throws a Fault when there is none. */
  async take(): Promise<TakenPort> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const port = PORT_FIRST + (this.#next++ % PORTS_COUNT);
      const held = await hold(port);
      if (held === null) continue;
      if (await isFree(port)) return { port, ...held };
      held[Symbol.dispose]();
    }
    throw new Fault(
      "failed",
      `No free port was found between ${PORT_FIRST} and ${PORT_FIRST + PORTS_COUNT}.`,
    );
  }
}

/** True when nobody listens on a port of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: LOCAL, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Null when another host has it. */
function hold(port: number): Promise<Disposable | null> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => resolve(null));
    socket.bind({ address: LOCAL, port, exclusive: true }, () => {
      socket.unref();
      resolve({ [Symbol.dispose]: () => void socket.close() });
    });
  });
}
