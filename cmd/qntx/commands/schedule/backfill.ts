/** `qntx schedule backfill ID --from T` runs what a schedule meant for a span of the past, beside its plan. */
import { BACKFILL_CONCURRENCY_MAX, BACKFILL_RUNS_MAX } from "../../../../internal/schedule/backfill.ts";
import type {
  BackfillView,
  scheduleBackfills,
  scheduleCancelBackfill,
} from "../../../../internal/operations/backfill.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { Fault } from "../../../../internal/base/fault.ts";
import { type Client, openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { idShown, whenShown } from "../../facts.ts";
import { counted } from "../../layout.ts";
import type { Out } from "../../output.ts";
import { printList } from "../../paging.ts";
import { integer } from "../../values.ts";
import { scheduleArg } from "./which.ts";

export const scheduleBackfill = command({
  details:
    "The runs have a line of their own, so that the plan goes on beside them. An instant gets one, however often you ask. Without --from, shows how far the backfills are.",
  args: {
    id: scheduleArg,
    from: { type: "string", valueHint: "T", description: "Instants from this one on" },
    to: { type: "string", valueHint: "T", description: "Instants before this one (default now)" },
    missing: { type: "boolean", description: "Only those that the plan did not run" },
    plan: { type: "boolean", description: "Say what would run, and run nothing" },
    max: {
      type: "string",
      valueHint: "N",
      parse: integer(1, BACKFILL_RUNS_MAX),
      description: "Refuse a span with more instants (default 1000)",
    },
    concurrency: {
      type: "string",
      valueHint: "N",
      parse: integer(1, BACKFILL_CONCURRENCY_MAX),
      description: "Runs at once (default 1)",
    },
    cancel: { type: "boolean", description: "Cancel the runs that have not begun" },
  },
  examples: [
    {
      line: "qntx schedule backfill report --from 2026-11-01T00:00:00Z --plan",
      why: "what would that be?",
    },
    {
      line: "qntx schedule backfill report --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --missing",
      why: "a week's runs, where there were none",
    },
    { line: "qntx schedule backfill report --cancel", why: "enough of that" },
  ],
  async run({ args: { id, plan, cancel, ...span }, world, globals, out }) {
    const { missing, ...options } = span;
    const given = missing || plan || Object.values(options).some((value) => value !== undefined);
    if (cancel && given)
      throw new Fault("usage", "--cancel takes no other option: it ends all backfills of the schedule.");
    if (given && span.from === undefined)
      throw new Fault("usage", "--from: is missing.", { hint: "Say where the span begins." });
    await using client = await openClient(world, globals);
    if (cancel) return await cancelled(out, client, id);
    if (!given) return await progress(out, client, id);
    const operation = plan ? "schedule.planBackfill" : "schedule.backfill";
    const answer = await client.call<BackfillView>(operation, { id, ...span });
    out.data(answer, plan ? planSentence(answer) : madeSentence(answer));
  },
});

async function cancelled(out: Out, client: Client, id: string): Promise<void> {
  const answer = await client.call<OutputOf<typeof scheduleCancelBackfill>>("schedule.cancelBackfill", {
    id,
  });
  const running =
    answer.running === 0
      ? ""
      : ` ${counted(answer.running, "run")} had begun and ${answer.running === 1 ? "ends by itself" : "end by themselves"}.`;
  out.data(
    answer,
    `${counted(answer.cancelled, "run")} ${answer.cancelled === 1 ? "is" : "are"} cancelled.${running}`,
  );
}

const COLUMNS = ["id", "from", "to", "asked", "waiting", "open", "completed", "failed", "cancelled"];

async function progress(out: Out, client: Client, id: string): Promise<void> {
  const answer = await client.call<OutputOf<typeof scheduleBackfills>>("schedule.backfills", { id });
  printList(out, answer, {
    columns: COLUMNS.map((title) => ({ title })),
    rows: () =>
      answer.backfills.map(({ runs, ...backfill }) => [
        idShown(out, backfill.id),
        backfill.from,
        backfill.to,
        whenShown(out, backfill.createdAt),
        ...[runs.waiting, runs.open, runs.completed, runs.failed, runs.cancelled].map(String),
      ]),
    empty: "It has no backfills.",
  });
}

function planSentence(view: BackfillView): string {
  if (view.occurrences === 0) return `${spanOf(view)} has no occurrences.${besides(view)}`;
  return `${counted(view.made, "run")} would be made${between(view)}.${besides(view)}`;
}

function madeSentence(view: BackfillView): string {
  if (view.occurrences === 0) return `${spanOf(view)} has no occurrences; nothing is made.${besides(view)}`;
  if (view.made === 0) return `Nothing is made.${besides(view)}`;
  return `${counted(view.made, "run")} ${view.made === 1 ? "is" : "are"} made${between(view)}.${besides(view)}`;
}

function spanOf({ from, to }: BackfillView): string {
  return `The span from ${from} to ${to}`;
}

function between({ first, last }: BackfillView): string {
  return first === last ? `, for ${first}` : `, for ${first} to ${last}`;
}

/** What is there already, of backfills and of the plan. */
function besides({ existed, ranByPlan, occurrences, note }: BackfillView): string {
  const parts = [
    note !== null && note,
    existed > 0 && `${existed} ${existed === 1 ? "was" : "were"} there already.`,
    ranByPlan > 0 && `The plan has run ${ranByPlan} of the ${counted(occurrences, "occurrence")}.`,
  ];
  return parts.flatMap((part) => (part === false ? [] : ` ${part}`)).join("");
}
