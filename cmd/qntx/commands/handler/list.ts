/** `qntx handler list`: the saved handlers. */
import type { HandlerView } from "../../../../internal/operations/handler.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { idShown, whenShown } from "../../facts.ts";
import { printList } from "../../paging.ts";

const COLUMNS = ["name", "handler", "lang", "live", "version", "saved"].map((title) => ({ title }));

export const handlerList = command({
  details: "Handlers of plugins that are not saved scripts are shown by qntx plugin list.",
  examples: [{ line: "qntx handler list", why: "what jobs can name" }],
  async run({ world, globals, out }) {
    await using client = await openClient(world, globals);
    const list = await client.call<{ handlers: HandlerView[] }>("handler.list");
    printList(out, list, {
      columns: COLUMNS,
      rows: () =>
        list.handlers.map(({ name, handler, lang, live, version, createdAt }) => [
          name,
          handler,
          lang,
          live ? "yes" : "no",
          idShown(out, version),
          whenShown(out, createdAt),
        ]),
      empty: "There are no saved handlers.",
    });
  },
});
