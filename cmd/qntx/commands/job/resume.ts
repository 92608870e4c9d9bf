/** `qntx job resume ID` lets a paused job go on. */
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { stateShown } from "./describe.ts";
import { jobArg } from "./which.ts";

export const jobResume = command({
  args: { id: jobArg },
  examples: [{ line: "qntx job resume 7QK2M9XD", why: "as soon as its time has come" }],
  async run({ args: { id }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const job = await client.call<JobView>("job.resume", { id });
    out.data(job, `Job ${job.id} is ${stateShown(job)}.`);
  },
});
