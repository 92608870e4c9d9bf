/** What a plugin is told of itself: who it is to this host, which program it runs, and what it may do now. */
import { z } from "zod";
import type { Capability } from "../access/capability.ts";
import { Fault } from "../base/fault.ts";
import { operation } from "./operation.ts";

export const pluginContext = operation({
  name: "plugin.context",
  summary: "Tell a plugin who it is to this host, and what it may do",
  plugin: "cap:context.read",
  needsHost: true,
  input: z.strictObject({}),
  async run({ principal, host }): Promise<PluginContext> {
    if (principal.kind !== "plugin") {
      throw new Fault("usage", "plugin.context tells a plugin of itself, and people are none.", {
        hint: "qntx plugin show NAME says the same of a plugin.",
      });
    }
    const { plugin, tenant, capabilities, program } = principal;
    const { version = "", digest = null } = program ?? {};
    return {
      plugin,
      tenant,
      version,
      digest: digest ?? "",
      capabilities: [...capabilities],
      hostVersion: host?.version ?? "",
    };
  },
});

export interface PluginContext {
  plugin: string;
  tenant: string;
  version: string;
  /** Empty where it runs elsewhere. */
  digest: string;
  capabilities: Capability[];
  hostVersion: string;
}
