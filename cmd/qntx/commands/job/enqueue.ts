/** `qntx job enqueue HANDLER` enqueues a job; it is on disk when this answers. */
import { parseDuration } from "../../../../internal/base/duration.ts";
import { fieldFault } from "../../../../internal/base/fault.ts";
import { formatInstant } from "../../../../internal/base/instant.ts";
import { CHILD_POLICIES, JOB_ATTEMPTS_MAX, JOB_PRIORITY_MAX } from "../../../../internal/job/job.ts";
import type { jobEnqueue as operation } from "../../../../internal/operations/job.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command, type Parse } from "../../command.ts";
import type { ExitCode } from "../../exit.ts";
import { handlerNames, jobIds } from "../../names.ts";
import { amount, integer, json, retry, RETRY_DESCRIPTION } from "../../values.ts";
import { stateShown } from "./describe.ts";
import { waitPolicyArg } from "./batch.ts";
import { printEnd, refuseTimeoutAlone, requireHost, waitArgs, waitForJob } from "./waiting.ts";

/** A duration from now, as the instant it means. */
const fromNow: Parse<string> = (text, name, { env }) => formatInstant(env.now() + parseDuration(text, name));

export const jobEnqueue = command({
  details:
    "An --id that exists, or a --unique-key that a job which has not ended holds, makes no second job:\n" +
    "the answer is the one that is there.",
  args: {
    handler: {
      type: "positional",
      complete: handlerNames,
      description: "The handler that runs: python.report, ixgest.git",
    },
    payload: { type: "string", valueHint: "JSON|@FILE|-", parse: json, description: "What it is given" },
    id: { type: "string", valueHint: "ID", description: "An id of your own" },
    priority: {
      type: "string",
      valueHint: "N",
      parse: integer(-JOB_PRIORITY_MAX, JOB_PRIORITY_MAX),
      description: "Lower runs first (default 0)",
    },
    runAt: { type: "string", valueHint: "T", description: "Not before this instant" },
    in: { type: "string", valueHint: "D", parse: fromNow, description: "Not before this long from now" },
    uniqueKey: { type: "string", valueHint: "KEY", description: "At most one job with this key at a time" },
    uniqueFor: {
      type: "string",
      valueHint: "D",
      description: "Hold the key for so long, also when the job has ended",
    },
    concurrencyKey: {
      type: "string",
      valueHint: "KEY",
      description:
        "Jobs of the handler with this key run one after the other, or as many at once as it allows",
    },
    maxAttempts: {
      type: "string",
      valueHint: "N",
      parse: integer(1, JOB_ATTEMPTS_MAX),
      description: "How often it is tried",
    },
    retry: { type: "string", valueHint: "R", parse: retry, description: RETRY_DESCRIPTION },
    timeout: { type: "string", valueHint: "D", description: "How long it may take" },
    costEstimate: {
      type: "string",
      valueHint: "N",
      parse: amount,
      description: "What it will cost: reserved of its budgets while it runs",
    },
    parent: {
      type: "string",
      field: "parentId",
      valueHint: "ID",
      complete: jobIds,
      description: "The job whose child it is: cancelled with it",
    },
    waitFor: {
      type: "string",
      repeat: true,
      valueHint: "ID",
      complete: jobIds,
      description: "Run when this job has ended, or all of these",
    },
    waitPolicy: waitPolicyArg,
    childPolicy: {
      type: "enum",
      options: [...CHILD_POLICIES],
      description: "What becomes of its children when it fails (default keep)",
    },
    ...waitArgs,
  },
  examples: [
    { line: 'qntx job enqueue python.report --payload \'{"month":"2030-01"}\'', why: "as soon as possible" },
    { line: "qntx job enqueue python.report --in 10m", why: "in ten minutes" },
    { line: "qntx job enqueue python.report --wait --json", why: "and see how it ends" },
  ],
  async run({
    args: { wait, waitTimeout, in: later, parent, waitFor, ...job },
    world,
    globals,
    out,
  }): Promise<ExitCode | void> {
    refuseTimeoutAlone({ wait, waitTimeout });
    if (later !== undefined && job.runAt !== undefined)
      throw fieldFault("in", "cannot be given together with --run-at.");
    await using client = await openClient(world, globals);
    if (wait) requireHost(client);
    const ties = { parentId: parent, waitFor: waitFor.length > 0 ? waitFor : undefined };
    const input = { ...job, ...ties, runAt: later ?? job.runAt };
    const made = await client.call<OutputOf<typeof operation>>("job.enqueue", input);
    if (!out.json) made.warnings.forEach((warning) => out.warn(warning)); // Before it is waited for, perhaps in vain.
    if (wait) return printEnd(out, await waitForJob(client, made.id, { world, waitTimeout }));
    out.data(
      made,
      `Job ${made.id} ${made.created ? "is" : "was there already, and is"} ${stateShown(made)}.`,
    );
  },
});
