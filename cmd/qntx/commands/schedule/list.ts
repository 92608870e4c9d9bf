/** `qntx schedule list`: the schedules, oldest first. */
import type { scheduleList as operation } from "../../../../internal/operations/schedule.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { SCHEDULE_STATES } from "../../../../internal/schedule/schedule.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { idShown, whenShown } from "../../facts.ts";
import { handlerNames } from "../../names.ts";
import { pageArgs, printList } from "../../paging.ts";
import { whenRuns } from "./describe.ts";

const COLUMNS = ["id", "name", "state", "handler", "next", "when"].map((title) => ({ title }));

export const scheduleList = command({
  args: {
    state: { type: "enum", options: [...SCHEDULE_STATES], description: "Only those in this state" },
    handler: {
      type: "string",
      valueHint: "H",
      complete: handlerNames,
      description: "Only those that run it",
    },
    deleted: { type: "boolean", description: "Deleted ones too" },
    ...pageArgs,
  },
  examples: [
    { line: "qntx schedule list", why: "what is planned" },
    { line: "qntx schedule list --state paused --json", why: "what stands still, for a script" },
  ],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const page = await client.call<OutputOf<typeof operation>>("schedule.list", args);
    const whens = await Promise.all(page.schedules.map((schedule) => whenRuns(out, schedule)));
    printList(out, page, {
      columns: COLUMNS,
      rows: () =>
        page.schedules.map(({ id, name, state, handler, endpoint, nextRunAt }, row) => [
          idShown(out, id),
          name || "-",
          state,
          handler ?? endpoint ?? "-",
          whenShown(out, nextRunAt),
          whens[row] ?? "",
        ]),
      empty: "There are no such schedules.",
      cursor: page.cursor,
    });
  },
});
