/** `qntx job retry ID` runs a job that has ended again, as a new job that names it. */
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import type { ExitCode } from "../../exit.ts";
import { printEnd, refuseTimeoutAlone, requireHost, waitArgs, waitForJob } from "./waiting.ts";
import { doMany, filterArgs, requireEither, stateArg } from "./many.ts";
import { jobArg } from "./which.ts";

export const jobRetry = command({
  args: { id: { ...jobArg, required: false }, ...waitArgs, state: stateArg, ...filterArgs },
  examples: [
    { line: "qntx job retry 7QK2M9XD --wait", why: "and see whether it works now" },
    { line: "qntx job retry --state cancelled --since 1h --plan", why: "which were those?" },
  ],
  async run({ args: { id, wait, waitTimeout, ...filter }, ...context }): Promise<ExitCode | void> {
    requireEither(id, filter);
    const question = "Retry all jobs that these options mean?";
    if (id === undefined)
      return doMany(context, filter, { operation: "job.retryMany", question, done: "are retried" });
    const { world, globals, out } = context;
    refuseTimeoutAlone({ wait, waitTimeout });
    await using client = await openClient(world, globals);
    if (wait) requireHost(client);
    const job = await client.call<JobView>("job.retry", { id });
    if (wait) return printEnd(out, await waitForJob(client, job.id, { world, waitTimeout }));
    out.data(job, `Job ${job.id} is ${job.state}; it retries ${job.retryOf}.`);
  },
});
