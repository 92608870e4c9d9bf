/** `qntx handler delete NAME` deletes a saved handler; its versions stay in the history. */
import type { HandlerView } from "../../../../internal/operations/handler.ts";
import { openClient } from "../../client.ts";
import { command, yesArg } from "../../command.ts";
import { whenGone } from "./live.ts";
import { handlerArg } from "./which.ts";

export const handlerDelete = command({
  details:
    "Jobs that name it wait until it is saved again. On a running host this returns when nobody runs it\n" +
    "any more.",
  args: { name: handlerArg, yes: yesArg },
  examples: [{ line: "qntx handler delete vacancies --yes", why: "without being asked" }],
  async run({ args: { name, yes }, world, globals, out }) {
    await out.confirm(`Delete the handler ${name}?`, yes);
    await using client = await openClient(world, globals);
    const { handler, version } = await client.call<HandlerView>("handler.delete", { name });
    const gone = await whenGone(client, world, handler);
    out.data({ handler, version, deleted: true }, `Handler ${handler} is deleted.`);
    if (!gone) out.say("A plugin still announces it; see: qntx plugin list");
  },
});
