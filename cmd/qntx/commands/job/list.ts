/** `qntx job list`: the jobs, newest first. */
import { JOB_STATES } from "../../../../internal/job/job.ts";
import type { jobList as operation } from "../../../../internal/operations/job.ts";
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { idShown, whenShown } from "../../facts.ts";
import { handlerNames, jobIds, scheduleNames } from "../../names.ts";
import { pageArgs, printList } from "../../paging.ts";
import { stateShown } from "./describe.ts";

const COLUMNS = ["id", "handler", "attempt", "created", "finished", "state"].map((title) => ({ title }));

export const jobList = command({
  args: {
    state: { type: "enum", options: [...JOB_STATES], description: "Only those in this state" },
    handler: { type: "string", valueHint: "H", complete: handlerNames, description: "Only those of it" },
    schedule: {
      type: "string",
      valueHint: "ID",
      complete: scheduleNames,
      description: "Only those of this schedule",
    },
    parent: {
      type: "string",
      field: "parentId",
      valueHint: "ID",
      complete: jobIds,
      description: "Only children of this job",
    },
    ...pageArgs,
  },
  examples: [
    { line: "qntx job list --state failed", why: "what went wrong" },
    { line: "qntx job list --schedule report --limit 5", why: "the last five of a schedule" },
  ],
  async run({ args: { schedule, parent, ...request }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const of = schedule && (await client.call<ScheduleView>("schedule.show", { id: schedule }));
    const input = { ...request, parentId: parent, scheduleId: of ? of.id : undefined };
    let page = await client.call<OutputOf<typeof operation>>("job.list", input);
    // Among a million others, the host ends a look early, maybe with nothing.
    for (; page.jobs.length === 0 && page.cursor !== null;)
      page = await client.call<OutputOf<typeof operation>>("job.list", { ...input, cursor: page.cursor });
    printList(out, page, {
      columns: COLUMNS,
      rows: () =>
        page.jobs.map((job) => [
          idShown(out, job.id),
          job.handler,
          `${job.attempt}/${job.maxAttempts}`,
          whenShown(out, job.createdAt),
          whenShown(out, job.finishedAt),
          stateShown(job),
        ]),
      empty: "There are no such jobs.",
      cursor: page.cursor,
    });
  },
});
