/** `qntx plugin list`: plugins with their states and reasons. */
import { type PluginView, withHint } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { printList } from "../../paging.ts";

const COLUMNS = ["name", "state", "pid", "version", "running", "handlers", "reason"].map((title) => ({
  title,
}));

export const pluginList = command({
  examples: [{ line: "qntx plugin list", why: "who runs, who does not, and why" }],
  async run({ world, globals, out }) {
    await using client = await openClient(world, globals);
    const list = await client.call<{ plugins: PluginView[] }>("plugin.list");
    printList(out, list, {
      columns: COLUMNS,
      rows: () =>
        list.plugins.map(({ name, state, pid, version, running, handlers, reason, hint }) => [
          name,
          state,
          pid === null ? "-" : String(pid),
          version || "-",
          String(running),
          String(handlers.length),
          withHint(reason, hint),
        ]),
      empty: "There are no plugins.",
    });
  },
});
