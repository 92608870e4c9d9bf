/** `qntx schedule simulate`: what schedules do together over a span. */
import { formatDuration } from "../../../../internal/base/duration.ts";
import { Fault } from "../../../../internal/base/fault.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { scheduleSimulate as operation } from "../../../../internal/operations/simulate.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { factLines } from "../../facts.ts";
import { counted } from "../../layout.ts";
import type { Out } from "../../output.ts";
import { scheduleArg } from "./which.ts";

type Simulated = OutputOf<typeof operation>;

const DURATIONS = ["median", "last", "replay"];
const LINES_MAX = 5; // Of each part; --json has more.

export const scheduleSimulate = command({
  details:
    "Without a span: the week that begins now. With --durations replay, the day that ends now is played again as it was, and held against the ledger.",
  args: {
    ids: { ...scheduleArg, required: false, repeat: true },
    all: { type: "boolean", description: "All that are active or paused" },
    from: { type: "string", valueHint: "T", description: "Occurrences from this instant on" },
    to: { type: "string", valueHint: "T", description: "Occurrences before this instant" },
    durations: {
      type: "enum",
      options: [...DURATIONS],
      description:
        "What runs take: the median of the last five (default), what the last took, or what each did",
    },
  },
  examples: [
    { line: "qntx schedule simulate --all", why: "the next week, together" },
    {
      line: "qntx schedule simulate --all --from 2026-10-24T00:00:00Z --to 2026-10-26T00:00:00Z",
      why: "around a change of the clocks",
    },
    { line: "qntx schedule simulate report --durations replay", why: "was the last day as it should be?" },
  ],
  async run({ args: { ids, all, ...request }, world, globals, out }) {
    if (all === ids.length > 0)
      throw new Fault("usage", all ? "--all leaves nothing to name." : "Which schedules?", {
        hint: "Name some, or say --all.",
      });
    await using client = await openClient(world, globals);
    const simulated = await client.call<Simulated>("schedule.simulate", {
      ...request,
      ...(all ? {} : { ids }),
    });
    out.data(simulated, () => report(out, simulated));
  },
});

function report(out: Out, simulated: Simulated): string {
  const parts = [
    summary(out, simulated),
    worst(out, simulated),
    overlaps(out, simulated),
    clockChanges(simulated),
    ledger(simulated),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function summary(
  out: Out,
  { from, to, schedules, paused, unknown, occurrences, fires, worst: [peak], atOnce }: Simulated,
): string {
  const perMinute = fires / ((Date.parse(to) - Date.parse(from)) / 60_000);
  const mean = perMinute < 0.1 ? "" : `${perMinute.toFixed(1)}, `; // Less is no figure per minute.
  return factLines(out, [
    ["span", `${from} to ${to}`],
    ["schedules", schedules],
    ["paused", paused === 0 ? null : `${counted(paused, "schedule")} throughout the span; not played`],
    ["occurrences", occurrences],
    ["runs", fires],
    ["per minute", `${mean}at most ${peak?.fires ?? 0}`],
    ["at once", atOnce.at === null ? 0 : `at most ${atOnce.runs}, first at ${atOnce.at}`],
    [
      "unknown",
      unknown === 0 ? null : `${counted(unknown, "schedule")} without a recorded run; taken to take no time`,
    ],
  ]);
}

function worst(out: Out, { worst: minutes }: Simulated): string {
  const busy = minutes.filter(({ fires }) => fires > 1).slice(0, LINES_MAX);
  if (busy.length === 0) return "";
  const rows = busy.map(({ at, fires, schedules, more }) => [at, String(fires), names(schedules, more)]);
  return out.table([{ title: "minute" }, { title: "runs", align: "right" }, { title: "schedules" }], rows);
}

function overlaps(out: Out, { overlaps: all, overlapping }: Simulated): string {
  if (all.length === 0) return "";
  const rows = all
    .slice(0, LINES_MAX)
    .map(({ id, name, tookMs, fires, skipped, late }) => [
      name || id,
      formatDuration(tookMs),
      ...[fires, skipped, late].map(String),
    ]);
  const columns = ["schedule", "takes", "runs", "skipped", "late"].map((title) => ({ title }));
  const more = overlapping > LINES_MAX ? `\n${overlapping - LINES_MAX} more` : "";
  return `${out.table(columns, rows)}${more}`;
}

function clockChanges({ clockChanges: changes }: Simulated): string {
  const lines = changes.flatMap(({ at, timezone, byMs, schedules, more }) => {
    const way = byMs > 0 ? "forward" : "back";
    const head = `The clocks of ${timezone} go ${way} by ${formatDuration(Math.abs(byMs))} at ${at}.`;
    const each = schedules.slice(0, LINES_MAX).map(({ id, name, sentence }) => `  ${name || id} ${sentence}`);
    const left = more + Math.max(0, schedules.length - LINES_MAX);
    return [head, ...each, ...(left > 0 ? [`  and ${left} more`] : [])];
  });
  return lines.join("\n");
}

function ledger({ ledger: held }: Simulated): string {
  if (!held) return "";
  if (held.occurrences === 0) return "The ledger has nothing of that span.";
  const same = `The ledger says the same of ${held.same} of ${counted(held.occurrences, "occurrence")}.`;
  const others = held.differences
    .slice(0, LINES_MAX)
    .map(
      (one) =>
        `  ${one.name || one.id} at ${one.occurrence}: ${one.ledger ?? "nothing"}, not ${one.forecast ?? "nothing"}`,
    );
  return [same, ...others].join("\n");
}

function names(schedules: readonly { id: string; name: string }[], more: number): string {
  const shown = schedules.slice(0, LINES_MAX).map(({ id, name }) => name || id);
  const left = more + schedules.length - shown.length;
  return left > 0 ? `${shown.join(", ")} and ${left} more` : shown.join(", ");
}
