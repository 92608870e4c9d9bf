/** `qntx job show ID`: all about one job. */
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { jobFacts } from "./describe.ts";
import { jobArg } from "./which.ts";

export const jobShow = command({
  args: { id: jobArg },
  examples: [{ line: "qntx job show 7QK2M9XD", why: "by the end of its id, as lists show it" }],
  async run({ args: { id }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const job = await client.call<JobView>("job.show", { id });
    out.data(job, () => jobFacts(out, job));
  },
});
