/** `qntx schedule update ID …` changes a schedule; what is not given stays. */
import { Fault } from "../../../../internal/base/fault.ts";
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { definitionArgs, definitionOf, handlerArg } from "./definition.ts";
import { stateSentence } from "./describe.ts";
import { scheduleArg } from "./which.ts";

export const scheduleUpdate = command({
  details: "A new --every counts from now; --cron, --every and --at replace each other.",
  args: {
    id: scheduleArg,
    name: { type: "string", valueHint: "NAME", description: "A new name" },
    handler: handlerArg,
    ...definitionArgs,
  },
  examples: [
    { line: "qntx schedule update poll --every 10m", why: "half as often" },
    { line: "qntx schedule update poll --name poll-feeds", why: "under another name" },
  ],
  async run({ args: { id, name, handler, ...definition }, world, globals, out }) {
    const change = { name, handler, ...definitionOf(definition) };
    if (Object.values(change).every((value) => value === undefined))
      throw new Fault("usage", "There is nothing to change.", { hint: "Add --help to see the options." });
    await using client = await openClient(world, globals);
    const schedule = await client.call<ScheduleView>("schedule.update", { id, ...change });
    out.data(schedule, stateSentence(out, schedule, `is changed (revision ${schedule.revision})`));
  },
});
