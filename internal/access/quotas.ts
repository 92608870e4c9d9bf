/** Quotas: what every plugin of this host may take. What the configuration says stands over what is usual for its trust. */
import type { Trust } from "./capability.ts";
import { type Quota, QUOTA_LIMIT_NAMES, type QuotaLimit, usualQuota } from "./quota.ts";

/** What the configuration says of a plugin; limits that it does not name are as usual. */
export type QuotaAmounts = Partial<Quota>;

export interface QuotasOptions {
  trustOf(plugin: string): Trust;
  /** As it is now: it can be read again while the host runs. */
  configured(): ReadonlyMap<string, QuotaAmounts>;
}

const USUAL = { guest: usualQuota("guest"), trusted: usualQuota("trusted") };

export class Quotas {
  readonly #options: QuotasOptions;

  constructor(options: QuotasOptions) {
    this.#options = options;
  }

  /** How much a plugin may take now. Asked at every call of one. */
  of(plugin: string): Quota {
    const usual = USUAL[this.#options.trustOf(plugin)];
    const configured = this.#options.configured().get(plugin);
    return configured ? { ...usual, ...configured } : usual;
  }

  /** Plugins of which the configuration says something, whether they are there or not. */
  get configured(): readonly string[] {
    return [...this.#options.configured().keys()];
  }

  /** Every limit in the order of the table, and who says how much it allows. */
  standings(plugin: string): { limit: QuotaLimit; allows: number; by: "usual" | "config" }[] {
    const quota = this.of(plugin);
    const configured = this.#options.configured().get(plugin) ?? {};
    return QUOTA_LIMIT_NAMES.map((limit) => {
      const by = limit in configured ? "config" : "usual";
      return { limit, allows: quota[limit], by };
    });
  }
}
