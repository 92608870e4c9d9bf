/** Secrets: `host.secrets`. */
import { HostServiceService } from "../../proto/gen/qntx/v1/host.ts";
import type { Ask } from "./call.ts";
import type { Secrets } from "./qntx.ts";

/** Makes `host.secrets`. */
export function createSecrets(ask: Ask): Secrets {
  return {
    async get(name) {
      return (await ask(HostServiceService.getSecret, { name })).value;
    },
  };
}
