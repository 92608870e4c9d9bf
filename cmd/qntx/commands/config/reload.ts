/** `qntx config reload`: a running host reads its configuration again. */
import type { ReloadView } from "../../../../internal/operations/config.ts";
import type { PluginView } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { EXIT } from "../../exit.ts";
import { pluginSentence, startCode } from "../plugin/describe.ts";

export const configReload = command({
  details:
    "Plugins that the file enables now begin, those that it no longer enables end, and those whose section has\n" +
    "changed start again. Nothing else is disturbed. When anything is wrong with the file, also by what a plugin\n" +
    "says of its own keys, nothing changes, and it ends with 3.",
  examples: [{ line: "qntx config reload", why: "after a plugin's section was changed" }],
  async run({ world, globals, out }) {
    await using client = await openClient(world, globals);
    const reloaded = await client.call<ReloadView>("config.reload", {});
    out.data(reloaded, () => sentences(reloaded).join("\n"));
    if (!out.json) reloaded.warnings.forEach((warning) => out.warn(warning));
    const started = [...reloaded.added, ...reloaded.restarted].map(startCode);
    return started.find((code) => code !== EXIT.ok) ?? EXIT.ok;
  },
});

function sentences({ file, added, removed, restarted, quotas, later }: ReloadView): string[] {
  const lines = [
    ...added.map((plugin) => `New: ${pluginSentence(plugin)}`),
    ...removed.map((name) => `Plugin ${name} has ended: the file does not enable it any more.`),
    ...quotas.map((name) => `Plugin ${name} has another quota: qntx quota show ${name}`),
    ...restarted.map((plugin: PluginView) => `With its new values: ${pluginSentence(plugin)}`),
  ];
  const none = `${file ?? "The configuration"} was read; nothing has changed for plugins.`;
  const waits = later.length === 0 ? [] : [`What waits for the next start of the host: ${later.join(", ")}.`];
  return [...(lines.length > 0 ? lines : [none]), ...waits];
}
