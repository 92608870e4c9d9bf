/** `qntx job cancel` cancels a job, or many; one that runs is asked to end. */
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { doMany, filterArgs, requireEither, stateArg } from "./many.ts";
import { jobArg } from "./which.ts";

export const jobCancel = command({
  args: { id: { ...jobArg, required: false }, state: stateArg, ...filterArgs },
  examples: [
    { line: "qntx job cancel 7QK2M9XD", why: "let it not run, or end it" },
    { line: "qntx job cancel --handler python.report --state queued --plan", why: "what would that end?" },
  ],
  async run({ args: { id, ...filter }, ...context }) {
    requireEither(id, filter);
    const question = "Cancel all jobs that these options mean?";
    if (id === undefined)
      return doMany(context, filter, { operation: "job.cancelMany", question, done: "are cancelled" });
    const { world, globals, out } = context;
    await using client = await openClient(world, globals);
    const job = await client.call<JobView>("job.cancel", { id });
    const done = job.state === "cancelled" ? "is cancelled" : "runs, and was asked to end";
    out.data(job, `Job ${job.id} ${done}.`);
  },
});
