/** `qntx plugin grant NAME CAPABILITY…` and `revoke`: what a plugin may do, from its next call on. */
import { CAPABILITIES, CAPABILITY_NAMES } from "../../../../internal/access/capability.ts";
import type { pluginGrant as operation } from "../../../../internal/operations/plugin-grant.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { type Complete, command } from "../../command.ts";
import { EXIT } from "../../exit.ts";
import { pluginSentence, startCode } from "./describe.ts";
import { pluginArg } from "./which.ts";

const MEANINGS = CAPABILITY_NAMES.map((name) => `  ${name.padEnd(22)} ${CAPABILITIES[name].may}`);

/** What plugins may be granted, for Tab. */
export const capabilityNames: Complete = async () =>
  CAPABILITY_NAMES.map((word) => ({ word, description: CAPABILITIES[word].may }));

const args = {
  name: pluginArg,
  capabilities: {
    type: "positional",
    valueHint: "CAPABILITY",
    repeat: true,
    complete: capabilityNames,
    description: "What it may do, like cap:scheduler.manage",
  },
} as const;

export const pluginGrant = command({
  details: `It holds at once, and over restarts, whatever the configuration says. A plugin that has failed is started again.\nOne that has it may:\n${MEANINGS.join("\n")}`,
  args,
  examples: [{ line: "qntx plugin grant poller cap:scheduler.manage", why: "let it make schedules" }],
  async run({ args: { name, capabilities }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const granted = await client.call<OutputOf<typeof operation>>("plugin.grant", { name, capabilities });
    const has = `Plugin ${granted.name} has ${granted.capabilities.join(", ")}.`;
    out.data(
      granted,
      granted.plugin ? `${has} It was started again. ${pluginSentence(granted.plugin)}` : has,
    );
    return granted.plugin ? startCode(granted.plugin) : EXIT.ok;
  },
});

export const pluginRevoke = command({
  details: "It holds at once, and over restarts, until it is granted again.",
  args,
  examples: [{ line: "qntx plugin revoke poller cap:ats.write", why: "it makes no more attestations" }],
  async run({ args: { name, capabilities }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const revoked = await client.call<OutputOf<typeof operation>>("plugin.revoke", { name, capabilities });
    out.data(revoked, `Plugin ${revoked.name} no longer has ${revoked.capabilities.join(", ")}.`);
  },
});
