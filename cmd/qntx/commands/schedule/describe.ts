/** Describe: a schedule in words: for a table, for a sentence, in full. */
import { formatDuration } from "../../../../internal/base/duration.ts";
import { missedSentence } from "../../../../internal/operations/objective-view.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { scheduleShow } from "../../../../internal/operations/schedule.ts";
import type { ScheduleView } from "../../../../internal/operations/schedule-view.ts";
import { factLines, jsonShown, whenInFull, whenShown } from "../../facts.ts";
import type { Out } from "../../output.ts";

/** How people call it: its name, or its id. */
export function nameShown({ id, name }: Pick<ScheduleView, "id" | "name">): string {
  return name || id;
}

/** When it fires: in words for people, as it was written for programs. */
export async function whenFires(out: Out, view: ScheduleView): Promise<string> {
  if (!out.terminal) return whenWritten(view);
  const { describeSpec } = await import("../../../../internal/schedule/words.ts");
  const { everyMs, cron, at, timezone } = view;
  if (everyMs !== null) return describeSpec({ kind: "every", everyMs }, timezone);
  if (cron !== null) return describeSpec({ kind: "cron", cron }, timezone);
  return describeSpec({ kind: "at", instants: (at ?? []).map((text) => Date.parse(text)) }, timezone);
}

/** When it fires, and how often it really runs where that is less often. */
export async function whenRuns(out: Out, view: ScheduleView): Promise<string> {
  const when = await whenFires(out, view);
  return view.effective === null ? when : `${when} (really every ${view.effective})`;
}

/** One sentence after something was done to it. */
export function stateSentence(out: Out, view: ScheduleView, verb: string): string {
  const until = view.pause?.until ?? null;
  const goesOn = until === null ? "" : ` It goes on ${nextShown(out, until)}.`;
  const next = view.nextRunAt === null ? goesOn : ` It runs next ${nextShown(out, view.nextRunAt)}.`;
  return `Schedule ${nameShown(view)} ${verb}.${next}`;
}

type ShownSchedule = OutputOf<typeof scheduleShow>;

/** All of it. */
export async function scheduleFacts(out: Out, view: ShownSchedule): Promise<string> {
  const { pause } = view;
  return factLines(out, [
    ["name", view.name],
    ["id", view.id],
    ["state", view.state],
    ["paused", pause && `${whenShown(out, pause.at)}, by ${pause.by}${pause.note && `: ${pause.note}`}`],
    ["goes on", whenInFull(out, pause?.until ?? null)],
    ["handler", view.handler],
    ["endpoint", view.endpoint],
    ["when", await whenFires(out, view)],
    ["really", view.effective && `every ${view.effective}`],
    ["warning", view.warning],
    ["next run", whenInFull(out, view.nextRunAt)],
    ["last run", whenInFull(out, view.lastRunAt)],
    ["last job", view.lastJobId],
    ["runs", view.runCount],
    ["payload", jsonShown(out, view.payload)],
    ["overlap", view.overlap],
    ["missed", view.missed],
    ["locking", view.locking === "require-global" ? null : view.locking],
    ["failures", view.failures === 0 ? null : `${view.failures} in a row`],
    ["must start", view.mustStartWithinMs && `within ${formatDuration(view.mustStartWithinMs)}`],
    ["must succeed", view.mustSucceedWithinMs && `within ${formatDuration(view.mustSucceedWithinMs)}`],
    ["objective", objectiveShown(out, view)],
    ["blackouts", view.blackouts.map(blackoutShown).join(" ") || null],
    ["jitter", view.jitterMs === 0 ? null : `up to ${formatDuration(view.jitterMs)}`],
    ["timeout", view.timeoutMs && formatDuration(view.timeoutMs)],
    ["attempts", view.maxAttempts],
    ["retry", view.retry],
    ["priority", view.priority === 0 ? null : view.priority],
    ["about", view.description],
    ["metadata", metadataLines(view.metadata)],
    ["owner", view.owner],
    ["declared", view.declaredId],
    ["created", whenInFull(out, view.createdAt)],
    ["revision", view.revision],
  ]);
}

/** Whether what is wanted of its runs is met now; nothing when nothing is wanted. */
function objectiveShown(out: Out, view: ShownSchedule): string | null {
  if (view.mustStartWithinMs === null && view.mustSucceedWithinMs === null) return null;
  if (view.missedObjectives.length === 0) return out.paint("green", "met");
  return view.missedObjectives
    .map((missed) => `${out.paint("red", "missed")}: ${missedSentence(missed)}`)
    .join("\n");
}

function whenWritten({ every, cron, at, timezone }: ScheduleView): string {
  if (every !== null) return `every ${every}`;
  if (cron !== null) return `cron ${cron.join("; ")} ${timezone}`;
  return `at ${(at ?? []).join(", ")}`;
}

function nextShown(out: Out, instant: string): string {
  return out.terminal ? whenShown(out, instant) : `at ${instant}`;
}

function blackoutShown(blackout: ScheduleView["blackouts"][number]): string {
  return typeof blackout === "string" ? blackout : `${blackout.from}/${blackout.to}`;
}

function metadataLines(metadata: Record<string, string>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key}=${value}`)
    .join("\n");
}
