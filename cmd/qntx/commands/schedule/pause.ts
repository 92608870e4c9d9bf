/** `qntx schedule pause ID` stops a schedule from firing until it is resumed. */
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { stateSentence } from "./describe.ts";
import { scheduleArg } from "./which.ts";

export const schedulePause = command({
  details: "Occurrences of the pause are recorded as paused; none of them is caught up on.",
  args: {
    id: scheduleArg,
    note: { type: "string", valueHint: "TEXT", description: "Why, for whoever wonders" },
  },
  examples: [{ line: 'qntx schedule pause report --note "the printer is broken"', why: "and say why" }],
  async run({ args: { id, note }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const schedule = await client.call<ScheduleView>("schedule.pause", { id, note });
    out.data(schedule, stateSentence(out, schedule, "is paused"));
  },
});
