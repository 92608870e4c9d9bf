/** `qntx schedule ledger ID`: what became of every occurrence. */
import type { OccurrenceView } from "../../../../internal/operations/schedule-view.ts";
import { type Client, openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { idShown } from "../../facts.ts";
import type { Out } from "../../output.ts";
import { pageArgs, printList } from "../../paging.ts";
import { scheduleArg } from "./which.ts";

const COLUMNS = [
  { title: "occurrence" },
  { title: "outcome" },
  { title: "count", align: "right" as const },
  { title: "job" },
  { title: "note" },
];
const BEGINNING = "1970-01-01T00:00:00Z";
const PAGE_ROWS = 1_000; // The greatest page: --all wants everything.

export const scheduleLedger = command({
  details:
    "The newest rows, the last one below; --cursor leads to those before them. With --from or --to, the first rows of that\n" +
    "span. A quiet range, such as a pause, is one row with the number of its occurrences.",
  args: {
    id: scheduleArg,
    from: { type: "string", valueHint: "T", description: "Occurrences from this instant on" },
    to: { type: "string", valueHint: "T", description: "Occurrences before this instant" },
    all: { type: "boolean", description: "All of them, not one page" },
    ...pageArgs,
  },
  examples: [
    { line: "qntx schedule ledger report --from 2030-01-01T00:00:00Z", why: "this year's" },
    { line: "qntx schedule ledger report --all --json", why: "everything, for a script" },
  ],
  async run({ args: { all, ...request }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const page = all ? await allOf(client, request) : await pageOf(client, request);
    printList(out, page, {
      columns: COLUMNS,
      rows: () => page.occurrences.map((row) => occurrenceRow(out, row)),
      empty: "No occurrence is recorded there.",
      cursor: page.cursor,
    });
  },
});

interface LedgerPage {
  occurrences: OccurrenceView[];
  cursor: string | null;
}

interface Request {
  id: string;
  from: string | undefined;
  limit: number | undefined;
  cursor: string | undefined;
}

function pageOf(client: Client, request: Request): Promise<LedgerPage> {
  return client.call<LedgerPage>("schedule.ledger", request);
}

/** From its beginning on, so that the rows come in their order. */
async function allOf(client: Client, { limit = PAGE_ROWS, ...span }: Request): Promise<LedgerPage> {
  const request = { ...span, from: span.from ?? BEGINNING };
  const whole = await pageOf(client, { ...request, limit });
  while (whole.cursor !== null) {
    const more = await pageOf(client, { ...request, limit, cursor: whole.cursor });
    whole.occurrences.push(...more.occurrences);
    whole.cursor = more.cursor;
  }
  return whole;
}

/** The end of a range stands beside its beginning: a row is one line. */
function occurrenceRow(out: Out, row: OccurrenceView): string[] {
  const range = row.count > 1 ? ` … ${row.lastOccurrence}` : "";
  const job = row.jobId ?? row.relatedJobId;
  return [`${row.occurrence}${range}`, row.outcome, String(row.count), idShown(out, job), row.note];
}
