/** `qntx handler history NAME`: the versions of a saved handler, newest first. */
import type { handlerHistory as operation } from "../../../../internal/operations/handler.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { idShown, whenShown } from "../../facts.ts";
import { printList } from "../../paging.ts";
import { handlerArg } from "./which.ts";

const COLUMNS = ["version", "saved", "by", "chars", "state"].map((title) => ({ title }));

export const handlerHistory = command({
  args: { name: handlerArg },
  examples: [{ line: "qntx handler history vacancies", why: "what it was before" }],
  async run({ args: { name }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const history = await client.call<OutputOf<typeof operation>>("handler.history", { name });
    printList(out, history, {
      columns: COLUMNS,
      rows: () =>
        history.versions.map(({ version, createdAt, by, chars, deleted, current }) => [
          idShown(out, version),
          whenShown(out, createdAt),
          by,
          String(chars),
          deleted ? "deleted" : current ? "current" : "",
        ]),
      empty: "It has no versions.",
    });
  },
});
