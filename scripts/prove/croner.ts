/**
 * croner as a second opinion. It was written by other people from the same rules, so
 * where both agree, both are probably right. Where they differ, croner 11.0.0 is
 * known to be wrong or to have chosen another rule: docs/croner.md has the list, and
 * this file is that list as code. A difference outside it is a finding.
 */
import { Cron } from "croner";
import { parseCron } from "../../internal/schedule/cron.ts";
import { recurrence } from "../../internal/schedule/recurrence.ts";

const OCCURRENCES = 40; // Of each case. Enough to reach the next change of clocks or the next March often.
const NEAR_CHANGE_MS = 4 * 3_600_000;

/** What came out of one case: how many instants croner gets wrong in a known way, and the first that it does not. */
export interface SecondOpinion {
  known: number;
  unknown: string | null;
}

/** Compares the next occurrences of an expression with croner's. */
export function compareWithCroner(text: string, zone: string, from: number): SecondOpinion {
  if (parseCron(text, "cron").neverFires || hasOtherDayRule(text)) return { known: 0, unknown: null };
  const ours = ourNext(text, zone, from);
  const theirs = new Cron(text, { timezone: zone, paused: true })
    .nextRuns(OCCURRENCES, new Date(from))
    .map((date) => date.getTime());
  const until = Math.min(ours.at(-1) ?? from, theirs.at(-1) ?? from);
  const differing = [
    ...ours.filter((instant) => instant <= until && !theirs.includes(instant)),
    ...theirs.filter((instant) => instant <= until && !ours.includes(instant)),
  ];
  const unknown = differing.find((instant) => !isKnown(text, zone, instant));
  return {
    known: differing.length,
    unknown:
      unknown === undefined
        ? null
        : `${text} ${zone}: ${new Date(unknown).toISOString()} is in one list only`,
  };
}

function ourNext(text: string, zone: string, from: number): number[] {
  const ours = recurrence({
    spec: { kind: "cron", cron: [text] },
    timezone: zone,
    anchor: 0,
    dstGap: "run-after",
    dstFold: "first",
  });
  const instants: number[] = [];
  for (let at = ours.next(from); at !== null && instants.length < OCCURRENCES; at = ours.next(at))
    instants.push(at);
  return instants;
}

/** Class 4: croner always lets either day field suffice, unless one is a bare `*`. */
function hasOtherDayRule(text: string): boolean {
  const [dayOfMonth = "", , dayOfWeek = ""] = text.split(" ").slice(-3);
  return [dayOfMonth, dayOfWeek].some((field) => field.includes("*") && field !== "*");
}

function isKnown(text: string, zone: string, instant: number): boolean {
  const moment = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
  const isAfterFebruary = moment.month === 3 && moment.day <= 3; // Class 1.
  const isAtMidnight = moment.hour <= 1; // Class 3.
  return isAfterFebruary || (isNearChange(moment) && (isListed(text) || isAtMidnight));
}

/** Class 2: no clock field begins with `*`, yet not all of them are one number. croner takes that for an interval. */
function isListed(text: string): boolean {
  const clock = text.split(" ").slice(0, -3);
  return clock.some((field) => !/^\d+$/.test(field)) && !clock.some((field) => field.startsWith("*"));
}

function isNearChange(moment: Temporal.ZonedDateTime): boolean {
  const changes = [
    moment.add({ seconds: 1 }).getTimeZoneTransition("previous"),
    moment.getTimeZoneTransition("next"),
  ];
  return changes.some(
    (change) => change && Math.abs(change.epochMilliseconds - moment.epochMilliseconds) <= NEAR_CHANGE_MS,
  );
}
