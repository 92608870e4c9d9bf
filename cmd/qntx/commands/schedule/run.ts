/** `qntx schedule run ID` runs a schedule's job now; the schedule itself is untouched. */
import type { scheduleRun as operation } from "../../../../internal/operations/schedule.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import type { ExitCode } from "../../exit.ts";
import { printEnd, refuseTimeoutAlone, requireHost, waitArgs, waitForJob } from "../job/waiting.ts";
import { scheduleArg } from "./which.ts";

export const scheduleRun = command({
  details: "While such a job has not ended, asking again answers with that one.",
  args: {
    id: scheduleArg,
    evenPaused: { type: "boolean", description: "Also when the schedule is paused" },
    ...waitArgs,
  },
  examples: [{ line: "qntx schedule run report --wait", why: "now, and see how it ends" }],
  async run({ args: { id, evenPaused, wait, waitTimeout }, world, globals, out }): Promise<ExitCode | void> {
    refuseTimeoutAlone({ wait, waitTimeout });
    await using client = await openClient(world, globals);
    if (wait) requireHost(client);
    const job = await client.call<OutputOf<typeof operation>>("schedule.run", { id, evenPaused });
    if (wait) return printEnd(out, await waitForJob(client, job.id, { world, waitTimeout }));
    out.data(job, `Job ${job.id} ${job.created ? "is" : "was already"} ${job.state}.`);
  },
});
