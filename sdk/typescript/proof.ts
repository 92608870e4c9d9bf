/**
 * Proof: who may call a plugin. Its port is open to every program of the machine, so the
 * first Initialize that brings the token of its host as metadata, too, makes that token the
 * price of all calls from then on. QNTX's own hosts bring none, and are served without.
 */
import { timingSafeEqual } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { type Call, Refusal, ServedStream } from "./server.ts";

/** What a host asks before it says who it is, and while a plugin is busy. They tell nothing that is worth hiding. */
const OPEN: readonly string[] = ["metadata", "describe", "health"];

/** The answer to whoever else calls. */
export const NOT_ITS_HOST = new Refusal(status.UNAUTHENTICATED, "Only the host of this plugin may call it.");

export class Proof {
  #expected: Buffer | undefined;

  /** A host says who it is. True when it may: nobody else has before. */
  initialized(call: Call, authToken: string): boolean {
    const said = call.header("authorization");
    if (this.#expected) return this.#fits(said);
    if (authToken !== "" && said === `Bearer ${authToken}`) this.#expected = Buffer.from(said);
    return true;
  }

  /** The same methods, closed to all others. Initialize decides for itself. */
  guard<T extends object>(methods: T): T {
    const guarded = Object.entries(methods).map(([name, method]) => {
      if (OPEN.includes(name) || name === "initialize") return [name, method] as const;
      const run = method as (...asked: unknown[]) => unknown;
      const refusing = (...asked: unknown[]) => {
        const call = asked.at(-1) as Call;
        if (this.#expected === undefined || this.#fits(call.header("authorization"))) return run(...asked);
        if (!(call instanceof ServedStream)) throw NOT_ITS_HOST;
        return call.fail(NOT_ITS_HOST);
      };
      return [name, refusing] as const;
    });
    return Object.fromEntries(guarded) as T; // The same names, and what the server calls them with.
  }

  #fits(said: string): boolean {
    const bytes = Buffer.from(said);
    return this.#expected?.length === bytes.length && timingSafeEqual(this.#expected, bytes);
  }
}
