/** `qntx job logs ID`: what a job said; with -f, what it says until it has ended. */
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { followJob, type JobLine, lineShown } from "./follow.ts";
import { jobArg } from "./which.ts";

export const jobLogs = command({
  args: {
    id: jobArg,
    follow: { type: "boolean", alias: "f", description: "Go on until the job has ended" },
  },
  examples: [{ line: "qntx job logs 7QK2M9XD -f", why: "read along" }],
  async run({ args: { id, follow }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const onLine = (line: JobLine) => out.data(line, () => lineShown(out, line));
    await followJob(client, id, { world, follow, onLine });
  },
});
