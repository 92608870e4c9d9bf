/** `qntx job retry ID` runs a job that has ended again, as a new job that names it. */
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import type { ExitCode } from "../../exit.ts";
import { printEnd, refuseTimeoutAlone, requireHost, waitArgs, waitForJob } from "./waiting.ts";
import { jobArg } from "./which.ts";

export const jobRetry = command({
  args: { id: jobArg, ...waitArgs },
  examples: [{ line: "qntx job retry 7QK2M9XD --wait", why: "and see whether it works now" }],
  async run({ args: { id, wait, waitTimeout }, world, globals, out }): Promise<ExitCode | void> {
    refuseTimeoutAlone({ wait, waitTimeout });
    await using client = await openClient(world, globals);
    if (wait) requireHost(client);
    const job = await client.call<JobView>("job.retry", { id });
    if (wait) return printEnd(out, await waitForJob(client, job.id, { world, waitTimeout }));
    out.data(job, `Job ${job.id} is ${job.state}; it retries ${job.retryOf}.`);
  },
});
