/** `qntx schedule verify ID | --all`: whether every occurrence that was planned is in the ledger, once. */
import { Fault } from "../../../../internal/base/fault.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { scheduleVerify as operation } from "../../../../internal/operations/verify.ts";
import { type Client, openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import { counted } from "../../layout.ts";
import type { Out } from "../../output.ts";
import { scheduleArg } from "./which.ts";

type Verdict = Omit<OutputOf<typeof operation>, "cursor">;

export const scheduleVerify = command({
  details: "Exits 1 when anything is missing, there twice, or waits beyond its time.",
  args: {
    id: { ...scheduleArg, required: false },
    all: { type: "boolean", description: "Every schedule, deleted ones too" },
  },
  examples: [
    { line: "qntx schedule verify report", why: "one schedule, from its beginning" },
    { line: "qntx schedule verify --all", why: "from a monitor" },
  ],
  async run({ args: { id, all }, world, globals, out }): Promise<ExitCode> {
    if ((id === undefined) === !all)
      throw new Fault("usage", id === undefined ? "Which one?" : "One, or all?", {
        hint: "Name a schedule, or give --all.",
      });
    await using client = await openClient(world, globals);
    const verdict = await verdictOf(client, id);
    out.data(verdict, () => verdictText(out, verdict));
    return verdict.ok ? EXIT.ok : EXIT.failed;
  },
});

/** All pages as one verdict. */
async function verdictOf(client: Client, id: string | undefined): Promise<Verdict> {
  const { cursor: first, ...whole } = await pageOf(client, { id });
  for (let cursor = first; cursor !== null;) {
    const { cursor: next, ...page } = await pageOf(client, { cursor });
    whole.ok &&= page.ok;
    for (const count of ["dup", "gap", "overdue", "unjudged", "schedules", "occurrences"] as const)
      whole[count] += page[count];
    whole.wrong.push(...page.wrong);
    cursor = next;
  }
  return whole;
}

function pageOf(client: Client, request: object): Promise<OutputOf<typeof operation>> {
  return client.call("schedule.verify", request);
}

function verdictText(out: Out, verdict: Verdict): string {
  const { ok, dup, gap, overdue, unjudged, schedules, occurrences, wrong } = verdict;
  const count = counted(schedules, "schedule");
  const of = `${count} with ${counted(occurrences, "planned occurrence")}`;
  const right =
    occurrences === 0 ? `${count}: nothing was planned until now.` : `${of}: each is in the ledger, once.`;
  const notes = [
    ok ? right : `${of}:`,
    unjudged === 0
      ? ""
      : `${unjudged} differ that other time zone data decided; nobody can judge them any more.`,
    ...wrong.flatMap(({ id, name, findings, advice, ...counts }) => [
      "",
      out.paint("red", `${name === "" ? id : `${name} (${id})`}: ${countsText(counts)}`),
      ...findings.map(({ sentence }) => `  ${sentence}`),
      ...advice.map((sentence) => `  ${sentence}`),
    ]),
  ];
  return [countsText({ dup, gap, overdue }), ...notes.filter((line, index) => line !== "" || index > 1)].join(
    "\n",
  );
}

function countsText({ dup, gap, overdue }: Pick<Verdict, "dup" | "gap" | "overdue">): string {
  return `dup=${dup} gap=${gap} overdue=${overdue}`;
}
