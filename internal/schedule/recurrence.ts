/**
 * Recurrence: when a schedule fires, for all three kinds of spec. Pure, and small
 * enough that it is made anew whenever it is needed: what is costly (expressions
 * that were read, stretches of zones) is shared and remembered up to a limit.
 *
 * Bounds, pauses and jitter are none of its business.
 */
import { parseDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { parseCron } from "./cron.ts";
import { CronRecurrence } from "./cron-recurrence.ts";
import { SECOND_MAX } from "./days.ts";
import { CRON_EXPRESSIONS_MAX, CRON_TEXT_MAX, EVERY_MIN_MS, type Policy, type Spec } from "./schedule.ts";

/** The occurrences of a spec, in order, each once. */
export interface Recurrence {
  /** The first occurrence strictly after an instant, or null when there is none. */
  next(after: Millis): Millis | null;
  /** How many occurrences lie in (after, until]. */
  count(after: Millis, until: Millis): number;
  /** The last occurrence in (after, until], or null when there is none. */
  latest(after: Millis, until: Millis): Millis | null;
}

/** What decides when a schedule fires. */
export interface RecurrenceOptions {
  spec: Spec;
  /** As `parseTimezone` gave it; only cron looks at it. */
  timezone: string;
  /** The instant through which the grid of `every` runs. */
  anchor: Millis;
  dstGap: Policy["dstGap"];
  dstFold: Policy["dstFold"];
}

/** Makes the recurrence of a spec that was checked when it was made. */
export function recurrence(options: RecurrenceOptions): Recurrence {
  const { spec, anchor } = options;
  if (spec.kind === "every") return new EveryRecurrence(spec.everyMs, anchor);
  if (spec.kind === "at") return new AtRecurrence(spec.instants);
  return new CronRecurrence(spec.cron, options);
}

/** Reads the one text that says when: an interval, a cron expression or a shortcut. Throws a Fault that names the field. */
export function parseWhen(text: string, field: string): Spec {
  const isShort = text.length <= CRON_TEXT_MAX;
  if (isShort && /^\d+\s+[a-z]+$/i.test(text.trim()))
    return { kind: "every", everyMs: parseEvery(text, field) };
  if (!isShort || /[ \t*@]|^\d{4}-/.test(text.trim())) return cronSpec([text], field);
  if (/^\d+[a-z]/i.test(text.trim())) return { kind: "every", everyMs: parseEvery(text.trim(), field) };
  throw fieldFault(
    field,
    `${shown(text)} does not say when.`,
    'Write an interval like "5m", a cron expression like "30 9 * * MON-FRI", or a shortcut like "@daily".',
  );
}

/** Reads an interval of at least a second. Throws a Fault that names the field. */
export function parseEvery(text: string, field: string): Millis {
  return checkEvery(parseDuration(text, field), field, text);
}

/** Checks an interval that came as a number of milliseconds. Throws a Fault that names the field. */
export function checkEvery(everyMs: Millis, field: string, said: unknown = everyMs): Millis {
  if (Number.isSafeInteger(everyMs) && everyMs >= EVERY_MIN_MS) return everyMs;
  throw fieldFault(field, `${shown(said)} is too short.`, 'The shortest interval is one second: "1s".');
}

/** Checks cron expressions that are joined in one schedule. Throws a Fault that names the field. */
export function cronSpec(expressions: readonly string[], field: string): Spec {
  if (expressions.length === 0 || expressions.length > CRON_EXPRESSIONS_MAX) {
    const hint = `Give 1 to ${CRON_EXPRESSIONS_MAX}.`;
    throw fieldFault(field, `a schedule cannot have ${expressions.length} cron expressions.`, hint);
  }
  const nameOf = (index: number) => (expressions.length === 1 ? field : `${field}[${index}]`);
  const crons = expressions.map((text, index) => parseCron(text, nameOf(index)));
  const never = crons.find((cron) => cron.neverFires);
  if (!never) return { kind: "cron", cron: crons.map((cron) => cron.text) };
  throw fieldFault(
    field,
    `${shown(never.text)} never fires: no month has such a day.`,
    "Change the day or the month.",
  );
}

const OCCURRENCE_MAX_MS: Millis = SECOND_MAX * 1_000;

/** The grid through an anchor. The anchor itself is not an occurrence, and nothing is before it. */
class EveryRecurrence implements Recurrence {
  readonly #everyMs: Millis;
  readonly #anchor: Millis;

  constructor(everyMs: Millis, anchor: Millis) {
    this.#everyMs = everyMs;
    this.#anchor = anchor;
  }

  next(after: Millis): Millis | null {
    const next = this.#anchor + (this.#passed(after) + 1) * this.#everyMs;
    return next <= OCCURRENCE_MAX_MS ? next : null;
  }

  count(after: Millis, until: Millis): number {
    return Math.max(0, this.#passed(Math.min(until, OCCURRENCE_MAX_MS)) - this.#passed(after));
  }

  latest(after: Millis, until: Millis): Millis | null {
    if (this.count(after, until) === 0) return null;
    return this.#anchor + this.#passed(Math.min(until, OCCURRENCE_MAX_MS)) * this.#everyMs;
  }

  /** How many occurrences are not after an instant. */
  #passed(instant: Millis): number {
    return Math.max(0, Math.floor((instant - this.#anchor) / this.#everyMs));
  }
}

/** A list of instants, in any order when it came. */
class AtRecurrence implements Recurrence {
  readonly #instants: readonly Millis[];

  constructor(instants: readonly Millis[]) {
    this.#instants = [...new Set(instants)].sort((a, b) => a - b);
  }

  next(after: Millis): Millis | null {
    return this.#instants[this.#passed(after)] ?? null;
  }

  count(after: Millis, until: Millis): number {
    return Math.max(0, this.#passed(until) - this.#passed(after));
  }

  latest(after: Millis, until: Millis): Millis | null {
    const last = this.#instants[this.#passed(until) - 1];
    return last !== undefined && last > after ? last : null;
  }

  /** How many instants are not after this one. */
  #passed(instant: Millis): number {
    let low = 0;
    let high = this.#instants.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#instants[middle] ?? Infinity) <= instant) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
