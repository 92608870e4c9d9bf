/**
 * Named blackouts: a list of ranges under a name, such as the holidays of a country,
 * that schedules refer to. A range is two dates, both included, on the wall of the
 * list's time zone; or two instants, the second one not included.
 *
 * Each schedule keeps the spans that its names stood for (schedule.ts, `of`), so that
 * its past can be recomputed from its own revisions after a list has changed.
 */
import type { Millis } from "../base/env.ts";
import { type Fault, fieldFault, shown } from "../base/fault.ts";
import { parseInstant } from "../base/instant.ts";
import { type Blackout, type Policy, SCHEDULE_NAME_PATTERN } from "./schedule.ts";

export interface NamedBlackout {
  name: string;
  /** IANA name: where the dates are meant. */
  timezone: string;
  description: string;
  ranges: readonly BlackoutRange[];
  createdAt: Millis;
  updatedAt: Millis;
}

/** A range as somebody wrote it: two dates, or two instants. */
export interface BlackoutRange {
  from: string;
  to: string;
  note: string;
}

export const BLACKOUT_RANGES_MAX = 100; // Five years of twenty holidays; each schedule that uses them keeps a copy.
export const BLACKOUT_NAMES_MAX = 10; // Of one schedule.
export const BLACKOUT_USES_MAX = 5_000; // Schedules that change with it, in one transaction: under a second, in which others wait.

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** The span that a range stands for. Throws a Fault that names the field. */
export function parseRange({ from, to, note }: BlackoutRange, timezone: string, field: string): Blackout {
  if (DATE.test(from) !== DATE.test(to)) {
    throw fieldFault(
      `${field}.to`,
      `${shown(to)} does not go with ${shown(from)}.`,
      "Write two dates, or two instants with their offsets.",
    );
  }
  const span = DATE.test(from)
    ? { from: startOfDay(from, timezone, `${field}.from`), to: startOfDay(to, timezone, `${field}.to`, 1) }
    : { from: parseInstant(from, `${field}.from`), to: parseInstant(to, `${field}.to`) };
  if (span.to > span.from) return { ...span, note };
  throw fieldFault(
    `${field}.to`,
    `${shown(to)} is not after ${shown(from)}.`,
    "A blackout ends after it starts.",
  );
}

/** What a schedule keeps of a list: its spans, each saying which list it is of. */
export function spansOf({
  name,
  timezone,
  ranges,
}: Pick<NamedBlackout, "name" | "timezone" | "ranges">): Blackout[] {
  return ranges.map((range, index) => {
    const span = parseRange(range, timezone, `ranges.${index}`);
    return { ...span, note: range.note === "" ? name : `${name}: ${range.note}`, of: name };
  });
}

/** The refusal of a name that nobody has set. */
export function noBlackout(name: string): Fault {
  const wayOut = SCHEDULE_NAME_PATTERN.test(name)
    ? `Make it with: qntx blackout set ${name}`
    : "qntx blackout list shows them.";
  return fieldFault("blackouts", `there is no blackout ${shown(name)}.`, wayOut);
}

/** The spans that a schedule says itself. */
export function ownSpans({ blackouts }: Pick<Policy, "blackouts">): Blackout[] {
  return blackouts.filter(({ of }) => of === undefined);
}

/** The first instant of a date, or of one some days later, where the wall says so: not always midnight. */
function startOfDay(date: string, timezone: string, field: string, daysLater = 0): Millis {
  try {
    const day = Temporal.PlainDate.from(date).add({ days: daysLater });
    return day.toZonedDateTime({ timeZone: timezone }).epochMilliseconds;
  } catch {
    throw fieldFault(field, `${shown(date)} is not a date.`, 'Write it like "2026-12-24".');
  }
}
