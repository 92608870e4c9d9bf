/** `qntx schedule pause ID` stops a schedule from firing until it is resumed. */
import { Fault } from "../../../../internal/base/fault.ts";
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { formatInstant } from "../../../../internal/base/instant.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { stateSentence } from "./describe.ts";
import { duration } from "../../values.ts";
import { scheduleArg } from "./which.ts";

export const schedulePause = command({
  details: "Occurrences of the pause are recorded as paused; none of them is caught up on.",
  args: {
    id: scheduleArg,
    until: { type: "string", valueHint: "T", description: "Go on by itself at this instant" },
    for: { type: "string", valueHint: "D", parse: duration, description: "Go on by itself after this long" },
    note: { type: "string", valueHint: "TEXT", description: "Why, for whoever wonders" },
  },
  examples: [
    { line: 'qntx schedule pause report --note "the printer is broken"', why: "and say why" },
    { line: "qntx schedule pause report --for 2h", why: "until then" },
  ],
  async run({ args: { id, note, ...end }, world, globals, out }) {
    if (end.for !== undefined && end.until !== undefined)
      throw new Fault("usage", "--for and --until cannot be given together.", {
        hint: "Both say when it goes on: leave one of them out.",
      });
    const until = end.for === undefined ? end.until : formatInstant(world.env.now() + end.for);
    await using client = await openClient(world, globals);
    const schedule = await client.call<ScheduleView>("schedule.pause", { id, note, until });
    out.data(schedule, stateSentence(out, schedule, "is paused"));
  },
});
