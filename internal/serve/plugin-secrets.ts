/**
 * PluginSecrets: gives plugins what the configuration names for them. That one was given
 * is written into the audit trail once while the host runs: a plugin may ask for each job.
 */
import type { Env } from "../base/env.ts";
import { Fault, messageOf, shown } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { secretsOwner } from "../config/file-secrets.ts";
import type { SecretControl } from "../operations/operation.ts";
import type { AuditStore } from "../store/audit.ts";

export interface PluginSecretsOptions {
  env: Env;
  log: Log;
  /** What counts now. */
  config(): Pick<Config, "secretOf">;
  audit: Pick<AuditStore, "add">;
}

export class PluginSecrets implements SecretControl {
  readonly #options: PluginSecretsOptions;
  /** Whom it was written of. */
  readonly #given = new Set<string>();

  constructor(options: PluginSecretsOptions) {
    this.#options = options;
  }

  async get(whose: { plugin: string; tenant: string }, name: string): Promise<string | null> {
    const value = this.#read(whose, name);
    if (value !== null) await this.#note(whose, name);
    return value;
  }

  /** Where it is kept is for the operator to know. */
  #read(whose: { plugin: string; tenant: string }, name: string): string | null {
    try {
      return this.#options.config().secretOf(secretsOwner(whose), name);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#options.log.warn("a plugin asked for a secret that cannot be read", {
        plugin: whose.plugin,
        why: error.message,
      });
      const message = `The secret ${shown(name)} cannot be read now.`;
      throw new Fault("unreachable", message, { hint: "The host's log says why.", cause: error });
    }
  }

  async #note(whose: { plugin: string; tenant: string }, name: string): Promise<void> {
    const { env, log, audit } = this.#options;
    const { plugin } = whose;
    const key = `${secretsOwner(whose)} ${name}`;
    if (this.#given.has(key)) return;
    this.#given.add(key);
    try {
      const about = { principal: `plugin:${plugin}`, operation: "secret.get", subject: name, detail: "" };
      await audit.add({ id: newId(env, "AU"), ...about, allowed: true });
    } catch (error) {
      log.error("an audit row could not be written", { plugin, error: messageOf(error) });
    }
  }
}
