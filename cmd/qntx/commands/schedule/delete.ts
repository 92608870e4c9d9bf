/** `qntx schedule delete ID` deletes a schedule; its ledger stays. */
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { openClient } from "../../client.ts";
import { command, yesArg } from "../../command.ts";
import { nameShown } from "./describe.ts";
import { scheduleArg } from "./which.ts";

export const scheduleDelete = command({
  details: "Jobs that it has made stay, and run. What became of every occurrence stays in the ledger.",
  args: { id: scheduleArg, yes: yesArg },
  examples: [{ line: "qntx schedule delete report --yes", why: "without being asked" }],
  async run({ args: { id, yes }, world, globals, out }) {
    await out.confirm(`Delete the schedule ${id}?`, yes);
    await using client = await openClient(world, globals);
    const schedule = await client.call<ScheduleView>("schedule.delete", { id });
    out.data(schedule, `Schedule ${nameShown(schedule)} is deleted.`);
  },
});
