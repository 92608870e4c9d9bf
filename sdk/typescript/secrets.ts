/** Secrets: `host.secrets`. */
import { HostServiceService } from "../../proto/gen/qntx/v1/host.ts";
import type { Ask } from "./call.ts";

/** What the operator keeps for this plugin elsewhere than in its configuration. */
export interface Secrets {
  /**
   * What `[secrets.<plugin>]` in qntx.toml names so, as it is now; needs cap:secrets.get. Rejects with a
   * HostError: "not-found" for any other name. Ask when you use it, and keep it no longer than that.
   */
  get(name: string): Promise<string>;
}

/** Makes `host.secrets`. */
export function createSecrets(ask: Ask): Secrets {
  return {
    async get(name) {
      return (await ask(HostServiceService.getSecret, { name })).value;
    },
  };
}
