/** `qntx job pause ID` keeps a job that waits from running until it is resumed. */
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { jobArg } from "./which.ts";

export const jobPause = command({
  args: {
    id: jobArg,
    note: { type: "string", valueHint: "TEXT", description: "Why, for whoever wonders" },
  },
  examples: [{ line: 'qntx job pause 7QK2M9XD --note "not before the audit"', why: "and say why" }],
  async run({ args: { id, note }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const job = await client.call<JobView>("job.pause", { id, note });
    out.data(job, `Job ${job.id} is paused.`);
  },
});
