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
const PORTS = 2_000; // Room for many plugins of many hosts on one machine.
const TRIES_MAX = 200;

/** Finds a free port of 127.0.0.1. Starts somewhere in the range, so that two hosts seldom reach for the same one. */
export async function freePort(env: Env): Promise<number> {
  const start = Math.floor(env.random() * PORTS);
  for (let i = 0; i < TRIES_MAX; i++) {
    const port = PORT_FIRST + ((start + i) % PORTS);
    if (await isFree(port)) return port;
  }
  throw new Fault("exhausted", `No free port was found between ${PORT_FIRST} and ${PORT_FIRST + PORTS}.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
