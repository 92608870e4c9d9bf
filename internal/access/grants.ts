/**
 * Grants: which capabilities each plugin of a running host has. What a person
 * granted or revoked stands over the configuration, which stands over what is
 * usual for its trust. A change holds from the next call on.
 */
import type { Millis } from "../base/env.ts";
import { CAPABILITY_NAMES, type Capability, type Trust, usualCapabilities } from "./capability.ts";

/** What a person said about one capability of one plugin. */
export interface Grant {
  plugin: string;
  capability: Capability;
  /** False: revoked, whatever else would give it. */
  granted: boolean;
  by: string;
  at: Millis;
}

/** Whether a plugin has a capability, and who said so. */
export interface Standing {
  capability: Capability;
  granted: boolean;
  /** `usual` for its trust, `config`, or the person. */
  by: string;
}

export interface GrantsOptions {
  trustOf(plugin: string): Trust;
  /** What the configuration grants it by name. */
  configured(plugin: string): readonly Capability[];
  /** What people have said before. */
  said: readonly Grant[];
}

export class Grants {
  readonly #options: GrantsOptions;
  readonly #said = new Map<string, Map<Capability, Grant>>();
  /** Asked at every call of a plugin, so it is worked out once. */
  readonly #capabilities = new Map<string, ReadonlySet<Capability>>();

  constructor(options: GrantsOptions) {
    this.#options = options;
    for (const grant of options.said) this.say(grant);
  }

  /** What a plugin may do now. */
  of(plugin: string): ReadonlySet<Capability> {
    const known = this.#capabilities.get(plugin);
    if (known) return known;
    const granted = this.standings(plugin).filter((standing) => standing.granted);
    const capabilities = new Set(granted.map(({ capability }) => capability));
    this.#capabilities.set(plugin, capabilities);
    return capabilities;
  }

  /** Every capability, in the order of the table. */
  standings(plugin: string): Standing[] {
    const usual = usualCapabilities(this.#options.trustOf(plugin));
    const configured = this.#options.configured(plugin);
    return CAPABILITY_NAMES.map((capability) => {
      const said = this.#said.get(plugin)?.get(capability);
      if (said) return { capability, granted: said.granted, by: said.by };
      if (configured.includes(capability)) return { capability, granted: true, by: "config" };
      return { capability, granted: usual.includes(capability), by: "usual" };
    });
  }

  /** The configuration was read again. */
  reconfigured(): void {
    this.#capabilities.clear();
  }

  /** The plugin is gone; who takes its name begins anew. */
  forget(plugin: string): void {
    this.#said.delete(plugin);
    this.#capabilities.delete(plugin);
  }

  /** Somebody has granted or revoked one. */
  say(grant: Grant): void {
    const said = this.#said.get(grant.plugin) ?? new Map<Capability, Grant>();
    this.#said.set(grant.plugin, said.set(grant.capability, grant));
    this.#capabilities.delete(grant.plugin);
  }
}
