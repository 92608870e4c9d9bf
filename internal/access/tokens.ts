/**
 * Tokens: which process of which plugin is calling. A token is made for one
 * process, handed to it in Initialize, and is worth nothing once that process
 * has ended. Only its hash is kept, so that no look-up compares secrets.
 */
import type { Env } from "../base/env.ts";
import type { Grants } from "./grants.ts";
import type { Quotas } from "./quotas.ts";
import type { PluginEndpoint, Principal, RunningProgram } from "./principal.ts";

const TOKEN_BYTES = 32; // 256 bits: not to be guessed.

/** Whose token it is. */
export interface Holder {
  plugin: string;
  tenant: string;
  /** What the process has announced of itself; absent: nothing. */
  endpoints?: readonly PluginEndpoint[];
  program?: RunningProgram;
}

/** What plugins may do, and how much. */
export interface Rights {
  grants: Pick<Grants, "of">;
  quotas: Pick<Quotas, "of">;
}

/** Who a holder is, with what it may do now. */
export function holderPrincipal(holder: Holder, { grants, quotas }: Rights): Principal & { kind: "plugin" } {
  const { plugin } = holder;
  return { kind: "plugin", ...holder, capabilities: grants.of(plugin), quota: quotas.of(plugin) };
}

export class Tokens {
  readonly #env: Env;
  readonly #may: Rights;
  readonly #onUnknown: () => void;
  readonly #holders = new Map<string, Holder>();

  /** `onUnknown` hears of each call with a token that is none. */
  constructor(env: Env, may: Rights, onUnknown = () => {}) {
    this.#env = env;
    this.#may = may;
    this.#onUnknown = onUnknown;
  }

  /** Makes the token of one process of a plugin. */
  issue(holder: Holder): string {
    const token = Buffer.from(this.#env.bytes(TOKEN_BYTES)).toString("hex");
    this.#holders.set(hashOf(token), holder);
    return token;
  }

  /** Ends a token. */
  revoke(token: string): void {
    this.#holders.delete(hashOf(token));
  }

  /** Who a token speaks for, with what they may do now; null for one that was never made or has ended. */
  principal(token: string): Principal | null {
    const holder = token === "" ? undefined : this.#holders.get(hashOf(token));
    if (holder) return holderPrincipal(holder, this.#may);
    this.#onUnknown();
    return null;
  }
}

function hashOf(token: string): string {
  return Bun.CryptoHasher.hash("sha256", token, "hex");
}
