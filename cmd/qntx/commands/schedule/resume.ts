/** `qntx schedule resume ID` lets a paused schedule fire again, from now on. */
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { stateSentence } from "./describe.ts";
import { scheduleArg } from "./which.ts";

export const scheduleResume = command({
  args: { id: scheduleArg },
  examples: [{ line: "qntx schedule resume report", why: "fire again, from now on" }],
  async run({ args: { id }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const schedule = await client.call<ScheduleView>("schedule.resume", { id });
    out.data(schedule, stateSentence(out, schedule, `is ${schedule.state}`));
  },
});
