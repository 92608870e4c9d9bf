/** `qntx job batch JOBS --completion HANDLER` enqueues jobs, and one that runs when all of them have ended. */
import { fieldFault } from "../../../../internal/base/fault.ts";
import { WAIT_POLICIES } from "../../../../internal/job/job.ts";
import type { jobBatch as operation } from "../../../../internal/operations/job-flow.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { type ChoiceArg, command } from "../../command.ts";
import type { ExitCode } from "../../exit.ts";
import { handlerNames } from "../../names.ts";
import { json } from "../../values.ts";
import { stateShown } from "./describe.ts";
import { printEnd, refuseTimeoutAlone, requireHost, waitArgs, waitForJob } from "./waiting.ts";

/** What a job does when one that it waits for does not complete. */
export const waitPolicyArg = {
  type: "enum",
  options: [...WAIT_POLICIES],
  description:
    "When one of those does not complete: fail too, run all the same, or fail and cancel the others",
} as const satisfies ChoiceArg;

export const jobBatch = command({
  details: "The jobs are children of the last one: cancelling that one cancels them.",
  args: {
    jobs: {
      type: "positional",
      valueHint: "JSON|@FILE|-",
      parse: json,
      description: 'A list of jobs, like [{"handler": "python.page", "payload": 1}]',
    },
    completion: {
      type: "string",
      required: true,
      valueHint: "H",
      complete: handlerNames,
      description: "The handler that runs when all have ended",
    },
    payload: {
      type: "string",
      valueHint: "JSON|@FILE|-",
      parse: json,
      description: "What that one is given",
    },
    id: {
      type: "string",
      valueHint: "ID",
      description: "Its id, if you have one: again, it makes no second batch",
    },
    waitPolicy: waitPolicyArg,
    ...waitArgs,
  },
  examples: [
    {
      line: "qntx job batch @pages.json --completion python.report",
      why: "a report, when all pages are there",
    },
    {
      line: "qntx job batch - --completion python.report --wait-policy continue",
      why: "whatever became of them",
    },
  ],
  async run({ args, world, globals, out }): Promise<ExitCode | void> {
    const { jobs, completion: handler, payload, id, waitPolicy, wait, waitTimeout } = args;
    refuseTimeoutAlone({ wait, waitTimeout });
    if (!Array.isArray(jobs)) throw fieldFault("JOBS", "is not a list of jobs.");
    await using client = await openClient(world, globals);
    if (wait) requireHost(client);
    const input = { jobs, completion: { handler, payload, id }, waitPolicy };
    const made = await client.call<OutputOf<typeof operation>>("job.batch", input);
    if (wait) return printEnd(out, await waitForJob(client, made.id, { world, waitTimeout }));
    const there = made.created ? "is" : "was there already, and is";
    const children = made.jobs === 1 ? "one child" : `${made.jobs} children`;
    out.data(
      made,
      `Job ${made.id} ${there} ${stateShown(made)}.${made.created ? ` It has ${children}.` : ""}`,
    );
  },
});
