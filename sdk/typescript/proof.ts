/**
 * Proof: who may call a plugin. Its port is open to every program of the machine, so the
 * first Initialize that brings the token of its host as metadata, too, makes that token the
 * price of all calls from then on. QNTX's own hosts bring none, and are served without.
 */
import { timingSafeEqual } from "node:crypto";
import { type Metadata, status, type UntypedServiceImplementation } from "@grpc/grpc-js";

/** What a host asks before it says who it is, and while a plugin is busy. They tell nothing that is worth hiding. */
const OPEN: readonly string[] = ["metadata", "describe", "health"];

/** The answer to whoever else calls. */
export const NOT_ITS_HOST = {
  code: status.UNAUTHENTICATED,
  details: "Only the host of this plugin may call it.",
};

type Answer = (error: typeof NOT_ITS_HOST) => void;

export class Proof {
  #expected: Buffer | undefined;

  /** A host says who it is. True when it may: nobody else has before. */
  initialized(metadata: Metadata, authToken: string): boolean {
    const said = saidIn(metadata);
    if (this.#expected) return this.#fits(said);
    if (authToken !== "" && said === `Bearer ${authToken}`) this.#expected = Buffer.from(said);
    return true;
  }

  /** The same methods, closed to all others. Initialize decides for itself. */
  guard<T extends UntypedServiceImplementation>(methods: T): T {
    const guarded = Object.entries(methods).map(([name, method]) => {
      if (OPEN.includes(name) || name === "initialize") return [name, method] as const;
      const run = method as (call: GuardedCall, answer?: Answer) => void;
      const refusing = (call: GuardedCall, answer?: Answer) => {
        if (this.#expected === undefined || this.#fits(saidIn(call.metadata))) return run(call, answer);
        if (answer) answer(NOT_ITS_HOST);
        else call.emit("error", NOT_ITS_HOST);
      };
      return [name, refusing] as const;
    });
    return Object.fromEntries(guarded) as T; // The same names, and what grpc-js calls them with.
  }

  #fits(said: string): boolean {
    const bytes = Buffer.from(said);
    return this.#expected?.length === bytes.length && timingSafeEqual(this.#expected, bytes);
  }
}

interface GuardedCall {
  metadata: Metadata;
  emit(event: "error", error: typeof NOT_ITS_HOST): unknown;
}

function saidIn(metadata: Metadata): string {
  const [value] = metadata.get("authorization");
  return typeof value === "string" ? value : "";
}
