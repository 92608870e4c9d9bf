/** `qntx job redrive`: the failed jobs that nobody has retried, again. */
import { command } from "../../command.ts";
import { doMany, filterArgs } from "./many.ts";

export const jobRedrive = command({
  details:
    "Each failed job is retried once by this, however often it is said: a new job runs, and names the old\n" +
    "one, which stays failed. Those that were retried by hand are left alone.",
  args: filterArgs,
  examples: [
    { line: "qntx job redrive --plan", why: "how many are there, and which?" },
    { line: "qntx job redrive --handler python.report --since 2h --yes", why: "since the network is back" },
    { line: "qntx job redrive --kind lost --limit 100", why: "a few of them first" },
  ],
  async run({ args, ...context }) {
    const question = "Retry all failed jobs that these options mean?";
    await doMany(context, args, { operation: "job.redrive", question, done: "are retried" });
  },
});
