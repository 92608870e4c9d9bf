/** `qntx job cancel ID` cancels a job; one that runs is asked to end. */
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { jobArg } from "./which.ts";

export const jobCancel = command({
  args: { id: jobArg },
  examples: [{ line: "qntx job cancel 7QK2M9XD", why: "let it not run, or end it" }],
  async run({ args: { id }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const job = await client.call<JobView>("job.cancel", { id });
    const done = job.state === "cancelled" ? "is cancelled" : "runs, and was asked to end";
    out.data(job, `Job ${job.id} ${done}.`);
  },
});
