/** `qntx schedule show ID`: all about one schedule. */
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { scheduleFacts } from "./describe.ts";
import { scheduleArg } from "./which.ts";

export const scheduleShow = command({
  args: { id: scheduleArg },
  examples: [{ line: "qntx schedule show report", why: "state, next run, policy, payload" }],
  async run({ args: { id }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const schedule = await client.call<ScheduleView>("schedule.show", { id });
    out.data(schedule, await scheduleFacts(out, schedule));
  },
});
