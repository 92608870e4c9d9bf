/** Room: the arguments that say whose storage is meant. */
import { pluginArg } from "../which.ts";

export const roomArgs = {
  name: pluginArg,
  tenant: {
    type: "string",
    valueHint: "TENANT",
    description: "Whose, where plugins of several tenants have had that name",
  },
} as const;

export const keyArg = { type: "positional", valueHint: "KEY", description: "The key" } as const;
