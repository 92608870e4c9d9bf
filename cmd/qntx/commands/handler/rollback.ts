/** `qntx handler rollback NAME` makes an older version of a handler the current one. */
import type { HandlerView } from "../../../../internal/operations/handler.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { handlerArg } from "./which.ts";

export const handlerRollback = command({
  details: "The older version becomes the newest one; nothing is lost from the history.",
  args: {
    name: handlerArg,
    version: { type: "string", valueHint: "V", description: "Which (default: the one before the current)" },
  },
  examples: [{ line: "qntx handler rollback vacancies", why: "as it was before the last change" }],
  async run({ args: { name, version }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const handler = await client.call<HandlerView>("handler.rollback", { name, version });
    out.data(handler, `Handler ${handler.handler} is as it was, as version ${handler.version}.`);
  },
});
