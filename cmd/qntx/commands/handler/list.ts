/** `qntx handler list`: the saved handlers, and others that are paused or have limits. */
import type { HandlerView } from "../../../../internal/operations/handler.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { idShown, whenShown } from "../../facts.ts";
import { printList } from "../../paging.ts";
import { pauseShown } from "./describe.ts";

const COLUMNS = ["name", "handler", "lang", "live", "version", "saved", "paused"].map((title) => ({ title }));

export const handlerList = command({
  details:
    "Of the handlers that plugins bring themselves, only those that are paused or have limits; all: qntx plugin list.",
  examples: [{ line: "qntx handler list", why: "what jobs can name" }],
  async run({ world, globals, out }) {
    await using client = await openClient(world, globals);
    const list = await client.call<{ handlers: HandlerView[] }>("handler.list");
    printList(out, list, {
      columns: COLUMNS,
      rows: () =>
        list.handlers.map((handler) => [
          handler.name,
          handler.handler,
          handler.lang ?? "-",
          handler.live ? "yes" : "no",
          idShown(out, handler.version),
          whenShown(out, handler.createdAt),
          pauseShown(handler),
        ]),
      empty: "There are no saved handlers.",
    });
  },
});
