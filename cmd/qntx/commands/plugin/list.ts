/** `qntx plugin list`: plugins with their states and reasons. */
import { type PluginView, withHint } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { printList } from "../../paging.ts";

const COLUMNS = ["name", "state", "pid", "version", "running", "handlers"].map((title) => ({ title }));
const REASON = { title: "reason" };

export const pluginList = command({
  examples: [{ line: "qntx plugin list", why: "who runs, who does not, and why" }],
  async run({ world, globals, out }) {
    await using client = await openClient(world, globals);
    const list = await client.call<{ plugins: PluginView[] }>("plugin.list");
    const rows = () => list.plugins.map((plugin) => [...cellsOf(plugin), why(plugin)]);
    // Reasons are sentences: beside the other columns a terminal would cut them before they say anything.
    const lines = () => [
      out.table(COLUMNS, list.plugins.map(cellsOf)),
      ...list.plugins.flatMap((plugin) => (why(plugin) === "" ? [] : [`\n${plugin.name}: ${why(plugin)}`])),
    ];
    const listing = { columns: [...COLUMNS, REASON], rows, empty: "There are no plugins." };
    printList(out, list, out.terminal ? { ...listing, lines } : listing);
  },
});

function cellsOf({ name, state, pid, version, running, handlers }: PluginView): string[] {
  const numbers = [running, handlers.length].map(String);
  return [name, state, pid === null ? "-" : String(pid), version || "-", ...numbers];
}

function why({ reason, hint }: PluginView): string {
  return withHint(reason, hint);
}
