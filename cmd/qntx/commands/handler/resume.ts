/** `qntx handler resume NAME` lets the jobs of a paused handler run again. */
import type { handlerResume as operation } from "../../../../internal/operations/handler-pause.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { handlerNames } from "../../names.ts";
import { jobsShown } from "./describe.ts";

export const handlerResume = command({
  args: {
    name: {
      type: "positional",
      valueHint: "NAME",
      complete: handlerNames,
      description: "The handler, as it was paused",
    },
  },
  examples: [{ line: "qntx handler resume python.report", why: "run what waits" }],
  async run({ args: { name }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const resumed = await client.call<OutputOf<typeof operation>>("handler.resume", { name });
    out.data(resumed, `Handler ${resumed.handler} is resumed; ${jobsShown(resumed.queued)} waiting.`);
  },
});
