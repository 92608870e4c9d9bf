/** Status screen: the host's state as text, the most urgent first. */
import type { hostStatus } from "../../../internal/operations/host.ts";
import type { OutputOf } from "../../../internal/operations/operation.ts";
import { factLines, idShown, whenInFull, whenShown } from "../facts.ts";
import type { Out, Style } from "../output.ts";

export type StatusView = OutputOf<typeof hostStatus>;

/** The whole screen. Parts that are empty are left out. */
export function statusScreen(out: Out, view: StatusView): string {
  const parts = [
    hostPart(out, view),
    part(
      out,
      "Plugins",
      ["plugin", "state", "reason"],
      view.plugins.map(({ name, state, reason }) => [name, stateInColour(out, state), reason]),
    ),
    part(
      out,
      "Waiting",
      ["handler", "jobs", "why"],
      view.queued.map(({ handler, count, waiting }) => [
        handler,
        String(count),
        waiting ?? "for a free slot",
      ]),
    ),
    part(
      out,
      "Objectives missed",
      ["schedule", "since", "occurrences", "because"],
      view.missedObjectives.map(({ name, scheduleId, since, occurrences, reason }) => [
        name || scheduleId,
        whenShown(out, since),
        String(occurrences),
        reason,
      ]),
    ),
    part(
      out,
      "Paused",
      ["schedule", "since", "by", "why"],
      view.paused.map(({ name, id, since, by, note }) => [name || id, whenShown(out, since), by, note]),
    ),
    part(
      out,
      "Next",
      ["schedule", "when"],
      view.next.map(({ id, name, nextRunAt }) => [name || id, whenShown(out, nextRunAt)]),
    ),
    part(
      out,
      "Recent jobs",
      ["id", "handler", "state", "created", "finished"],
      view.recent.map((job) => [
        idShown(out, job.id),
        job.handler,
        stateInColour(out, job.state),
        whenShown(out, job.createdAt),
        whenShown(out, job.finishedAt),
      ]),
    ),
  ];
  return parts.filter((text) => text !== "").join("\n\n");
}

function hostPart(
  out: Out,
  { running, ready, version, address, startedAt, clock, home, jobs, schedules }: StatusView,
): string {
  const state = ready
    ? out.paint("green", "ready")
    : running
      ? out.paint("yellow", "starting")
      : out.paint("yellow", "not running");
  return factLines(out, [
    ["host", address === null ? state : `${state} at ${address}`],
    ["version", version],
    ["started", whenInFull(out, startedAt)],
    ["clock", clock && out.paint("yellow", clock)],
    ["home", home],
    ["jobs", countsShown(jobs)],
    ["schedules", countsShown(schedules)],
  ]);
}

function countsShown(counts: Record<string, number>): string {
  const told = Object.entries(counts).filter(([, count]) => count > 0);
  return told.length === 0 ? "none" : told.map(([state, count]) => `${count} ${state}`).join(", ");
}

function part(
  out: Out,
  title: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  if (rows.length === 0) return "";
  return `${out.paint("bold", title)}\n${out.table(
    columns.map((name) => ({ title: name })),
    rows,
  )}`;
}

const COLOURS: Readonly<Record<string, Style>> = {
  ready: "green",
  completed: "green",
  running: "cyan",
  failed: "red",
  quarantined: "red",
  conflict: "red",
  unresponsive: "red",
  late: "yellow",
  retrying: "yellow",
};

function stateInColour(out: Out, state: string): string {
  const colour = COLOURS[state];
  return colour === undefined ? state : out.paint(colour, state);
}
