/** `qntx handler pause NAME` lets the jobs of a handler wait until it is resumed. */
import type { handlerPause as operation } from "../../../../internal/operations/handler-pause.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { handlerNames } from "../../names.ts";
import { jobsShown } from "./describe.ts";

export const handlerPause = command({
  details: "Jobs that run go on to their end; schedules go on making jobs, which wait as well.",
  args: {
    name: {
      type: "positional",
      valueHint: "NAME",
      complete: handlerNames,
      description: "The handler, as jobs name it; PLUGIN/NAME for jobs that name it so",
    },
    note: { type: "string", valueHint: "TEXT", description: "Why, for whoever wonders" },
  },
  examples: [{ line: 'qntx handler pause python.report --note "the printer is broken"', why: "and say why" }],
  async run({ args: { name, note }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const paused = await client.call<OutputOf<typeof operation>>("handler.pause", { name, note });
    out.data(paused, `Handler ${paused.handler} is paused; ${jobsShown(paused.queued)} waiting.`);
  },
});
