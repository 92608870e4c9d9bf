/** `qntx job wait ID` waits until a job has ended, and exits as it did. */
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { printEnd, waitForJob, waitTimeoutArg } from "./waiting.ts";
import { jobArg } from "./which.ts";

export const jobWait = command({
  details: "Exits 0 when it completed, 8 when it failed or was cancelled.",
  args: { id: jobArg, waitTimeout: waitTimeoutArg },
  examples: [{ line: "qntx job wait 7QK2M9XD --wait-timeout 5m", why: "but not for ever" }],
  async run({ args: { id, waitTimeout }, world, globals, out }) {
    await using client = await openClient(world, globals);
    return printEnd(out, await waitForJob(client, id, { world, waitTimeout }));
  },
});
