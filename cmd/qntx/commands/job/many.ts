/** Many: the options by which many jobs are meant at once, what is asked before, and what is said afterwards. */
import { parseDuration } from "../../../../internal/base/duration.ts";
import { Fault } from "../../../../internal/base/fault.ts";
import { formatInstant, parseInstant } from "../../../../internal/base/instant.ts";
import { JOB_STATES } from "../../../../internal/job/job.ts";
import { BULK_LIMIT_MAX, type BulkView } from "../../../../internal/operations/job-bulk.ts";
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { type Client, openClient } from "../../client.ts";
import {
  type ArgDefs,
  type ArgsOf,
  type ChoiceArg,
  type Globals,
  type Parse,
  yesArg,
} from "../../command.ts";
import { idShown, whenShown } from "../../facts.ts";
import { counted } from "../../layout.ts";
import { handlerNames, scheduleNames } from "../../names.ts";
import type { Out } from "../../output.ts";
import { integer } from "../../values.ts";
import type { World } from "../../world.ts";

/** An instant, or how long ago it was. */
const past: Parse<string> = (text, name, { env }) =>
  /^\d+[a-z]/.test(text)
    ? formatInstant(env.now() - parseDuration(text, name))
    : formatInstant(parseInstant(text, name));

/** What jobs have in common. */
export const filterArgs = {
  handler: { type: "string", valueHint: "H", complete: handlerNames, description: "Those of this handler" },
  schedule: {
    type: "string",
    field: "scheduleId",
    valueHint: "ID",
    complete: scheduleNames,
    description: "Those of this schedule",
  },
  kind: {
    type: "string",
    field: "errorKind",
    valueHint: "KIND",
    description: "Those with this kind of error: TimeoutError, lost, timeout",
  },
  since: {
    type: "string",
    valueHint: "T|D",
    parse: past,
    description: "Those that ended at this instant or later, or so long ago at most",
  },
  until: {
    type: "string",
    valueHint: "T|D",
    parse: past,
    description: "Those that ended before this instant, or longer ago",
  },
  limit: {
    type: "string",
    valueHint: "N",
    parse: integer(1, BULK_LIMIT_MAX),
    description: "At most so many, the oldest first (default 1000)",
  },
  plan: { type: "boolean", description: "Say how many these are and show ten, and do nothing" },
  yes: yesArg,
} as const satisfies ArgDefs;

/** Those in one state. */
export const stateArg = {
  type: "enum",
  options: [...JOB_STATES],
  description: "Those in this state",
} satisfies ChoiceArg;

type Filter = ArgsOf<typeof filterArgs> & { state?: string | undefined };

/** True when somebody said what the jobs have in common, and not which one it is. */
export function isFilter(filter: Filter): boolean {
  return Object.entries(filter).some(
    ([name, value]) => name !== "yes" && value !== undefined && value !== false,
  );
}

/** Refuses both, and neither. */
export function requireEither(id: string | undefined, filter: Filter): void {
  if (id === undefined && !isFilter(filter))
    throw new Fault("usage", "ID: is missing.", {
      hint: "Name a job, or what many have in common: --handler, --schedule, --state, --kind, --since.",
    });
  if (id !== undefined && isFilter(filter))
    throw new Fault("usage", "A job is named by its ID; the options are for many at once.", {
      hint: "Leave one of them out.",
    });
}

/** Asks, does it, and says what was done. `done` is how it is called afterwards: "are cancelled". */
export async function doMany(
  { out, world, globals }: { out: Out; world: World; globals: Globals },
  filter: Filter,
  { operation, question, done }: { operation: string; question: string; done: string },
): Promise<void> {
  await using client = await openClient(world, globals);
  const input = await inputOf(client, filter);
  if (!filter.plan) await out.confirm(question, filter.yes);
  const view = await client.call<BulkView>(operation, input);
  out.data(view, () => (view.plan ? planShown(out, view) : doneShown(view, done)));
}

async function inputOf(client: Client, filter: Filter): Promise<object> {
  const { handler, schedule, kind: errorKind, since, until, state, limit, plan } = filter;
  const of = schedule && (await client.call<ScheduleView>("schedule.show", { id: schedule }));
  return { handler, scheduleId: of ? of.id : undefined, errorKind, since, until, state, limit, plan };
}

function planShown(out: Out, { matched, more, first }: BulkView): string {
  if (matched === 0) return "There are no such jobs.";
  const rows = first.map(({ id, handler, state, at, errorKind }) =>
    [idShown(out, id), handler, state, whenShown(out, at), errorKind ?? ""].join("  ").trimEnd(),
  );
  const left = matched - first.length;
  const end = left > 0 ? [`and ${left} more`] : [];
  const limit = more ? " That is more than the limit: what is left, is left for the next time." : "";
  return [`${counted(matched, "job")}.${limit}`, ...rows, ...end].join("\n");
}

function doneShown({ done, more }: BulkView, word: string): string {
  if (done === 0) return "There are no such jobs.";
  const left = more ? " There are more: say it again." : "";
  return `${counted(done, "job")} ${done === 1 ? word.replace(/^are/, "is") : word}.${left}`;
}
