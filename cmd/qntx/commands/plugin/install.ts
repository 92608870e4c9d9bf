/** `qntx plugin install FILE` and `plugin upgrade NAME`: a program becomes a plugin of this host, or takes the place of another. */
import { resolve } from "node:path";
import type {
  pluginInstall as installing,
  pluginUpgrade as upgrading,
} from "../../../../internal/operations/plugin-install.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { PluginView } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command, type Parse } from "../../command.ts";
import { capabilityNames } from "./grant.ts";
import { pluginSentence, startCode } from "./describe.ts";
import { pluginArg } from "./which.ts";

/** The host runs in another folder. */
const path: Parse<string> = (text, _, { cwd }) => resolve(cwd, text);

export const pluginInstall = command({
  details:
    "FILE is an executable, a .ts or .py file, a folder, or a .tar.gz of one. It is copied and pinned by its " +
    "digest: a change of FILE has no effect until it is upgraded. An installed plugin is a guest: what it needs " +
    "beyond the usual is asked for, or granted with --grant.",
  args: {
    file: {
      type: "positional",
      valueHint: "FILE",
      parse: path,
      complete: "files",
      description: "The program",
    },
    name: {
      type: "string",
      valueHint: "NAME",
      description: "What to call it; from the file's name without it",
    },
    tenant: {
      type: "string",
      valueHint: "T",
      description: "Whose it is: what it runs and sees is theirs alone",
    },
    grant: {
      type: "string",
      valueHint: "CAPABILITY",
      repeat: true,
      complete: capabilityNames,
      description: "What it may do beyond the usual",
    },
  },
  examples: [
    { line: "qntx plugin install ./poller.ts --grant cap:scheduler.manage", why: "it may make schedules" },
    { line: "qntx plugin install demo.tar.gz --name demo-acme --tenant acme", why: "for one tenant alone" },
  ],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const { install, plugin } = await client.call<OutputOf<typeof installing>>("plugin.install", args);
    const digest = `SHA-256 ${install.digest.slice(0, 16)}`;
    if (!plugin) {
      out.data(
        { install, plugin },
        `Plugin ${install.name} is installed (${digest}) and starts with the host.`,
      );
      return;
    }
    const lacking = lacks(plugin);
    const question = `Plugin ${plugin.name} wants ${lacking.join(", ")}. Grant it?`;
    if (lacking.length === 0 || !(await out.agrees(question))) {
      out.data(
        { install, plugin },
        `${pluginSentence(plugin)} It is installed (${digest}).${wishes(plugin)}`,
      );
      return startCode(plugin);
    }
    await client.call("plugin.grant", { name: plugin.name, capabilities: lacking });
    const started = await client.call<PluginView>("plugin.restart", { name: plugin.name });
    out.data({ install, plugin: started }, `${pluginSentence(started)} It is installed (${digest}).`);
    return startCode(started);
  },
});

export const pluginUpgrade = command({
  details:
    "The new version starts beside the old one and has to run for some seconds. Then it gets the jobs, and the old " +
    "one ends when its own have ended. If it does not start, crashes, or lacks what schedules run, the old one goes on.",
  args: {
    name: pluginArg,
    file: {
      type: "string",
      valueHint: "FILE",
      parse: path,
      complete: "files",
      description: "The new program",
    },
    to: { type: "string", valueHint: "DIGEST", description: "Back to a version that was there before" },
    disableMissing: { type: "boolean", description: "Pause schedules whose handler the new version lacks" },
  },
  examples: [
    { line: "qntx plugin upgrade poller --file ./poller.ts", why: "without a gap" },
    {
      line: "qntx plugin upgrade poller --to 3fa9",
      why: "back again; qntx plugin history shows what there was",
    },
  ],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const { install, plugin } = await client.call<OutputOf<typeof upgrading>>("plugin.upgrade", args);
    const version = plugin?.version ? ` It is version ${plugin.version}.` : "";
    const sentence = plugin ? pluginSentence(plugin) : `Plugin ${install.name} starts with the host.`;
    out.data({ install, plugin }, `${sentence}${version} SHA-256 ${install.digest.slice(0, 16)}.`);
  },
});

function lacks({ wants, capabilities }: PluginView): string[] {
  const has = new Set(capabilities.flatMap(({ capability, granted }) => (granted ? [capability] : [])));
  return wants.filter((wanted) => !has.has(wanted as never));
}

function wishes(plugin: PluginView): string {
  const lacking = lacks(plugin);
  if (lacking.length === 0) return "";
  return `\nIt wants ${lacking.join(", ")}. Grant it with: qntx plugin grant ${plugin.name} ${lacking.join(" ")}`;
}
