/** `qntx handler show NAME`: a handler, and the code of a saved one. */
import { Fault } from "../../../../internal/base/fault.ts";
import type { handlerShow as operation } from "../../../../internal/operations/handler.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { factLines, whenInFull } from "../../facts.ts";
import { pauseShown } from "./describe.ts";
import { handlerArg } from "./which.ts";

export const handlerShow = command({
  args: { name: handlerArg, code: { type: "boolean", description: "Print the code and nothing else" } },
  examples: [
    { line: "qntx handler show vacancies", why: "what runs today" },
    { line: "qntx handler show vacancies --code > vacancies.py", why: "get the script back" },
  ],
  async run({ args: { name, code }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const handler = await client.call<OutputOf<typeof operation>>("handler.show", { name });
    const facts = factLines(out, [
      ["handler", handler.handler],
      ["lang", handler.lang],
      ["live", handler.live ? "yes" : "no"],
      ["per key", handler.concurrencyPerKey && `${handler.concurrencyPerKey} at once`],
      ["rate", handler.rate && `${handler.rate}, at most ${handler.burst} at once`],
      ["paused", pauseShown(handler)],
      ["version", handler.version],
      ["saved", whenInFull(out, handler.createdAt)],
    ]);
    if (code && handler.code === null) throw notSaved(handler.handler);
    out.data(handler, code ? (handler.code ?? "") : [facts, handler.code ?? []].flat().join("\n\n"));
  },
});

function notSaved(handler: string): Fault {
  return new Fault("not-found", `Handler ${handler} is no saved script: its plugin has the code.`);
}
