/**
 * Tokens: which process of which plugin is calling. A token is made for one
 * process, handed to it in Initialize, and is worth nothing once that process
 * has ended. Only its hash is kept, so that no look-up compares secrets.
 */
import type { Env } from "../base/env.ts";
import { type Principal, TRUSTED_CAPABILITIES } from "./principal.ts";

const TOKEN_BYTES = 32; // 256 bits: not to be guessed.

export class Tokens {
  readonly #env: Env;
  readonly #principals = new Map<string, Principal>();

  constructor(env: Env) {
    this.#env = env;
  }

  /** Makes the token of one process of a plugin that the operator enabled. */
  issue(plugin: string): string {
    const token = Buffer.from(this.#env.bytes(TOKEN_BYTES)).toString("hex");
    this.#principals.set(hashOf(token), {
      kind: "plugin",
      plugin,
      tenant: "",
      capabilities: TRUSTED_CAPABILITIES,
    });
    return token;
  }

  /** Ends a token. */
  revoke(token: string): void {
    this.#principals.delete(hashOf(token));
  }

  /** Who a token speaks for; null for one that was never made or has ended. */
  principal(token: string): Principal | null {
    return token === "" ? null : (this.#principals.get(hashOf(token)) ?? null);
  }
}

function hashOf(token: string): string {
  return new Bun.CryptoHasher("sha256").update(token).digest("hex");
}
