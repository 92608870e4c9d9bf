/**
 * Zone: a time zone as stretches of real time in which its offset from UTC stays
 * the same. Whoever knows the stretch of an instant needs no calendar library.
 *
 * The facts come from Temporal, which carries the IANA database of the runtime;
 * the zone and the clock of the process play no part. Looking one stretch up costs
 * microseconds, so those that were asked for are remembered, in blocks of years.
 */
import type { Millis } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { Memo } from "./memo.ts";

/** A span of real time with one offset. `from` is in it, `until` is not; either may be infinite. */
export interface Stretch {
  readonly from: Millis;
  readonly until: Millis;
  /** What to add to UTC to get the time on the wall. */
  readonly offset: Millis;
  /** The offsets just before and just after this stretch. */
  readonly offsetBefore: Millis;
  readonly offsetAfter: Millis;
}

/** A time zone that exists, and its stretches. */
export interface Zone {
  /** The IANA name, spelled as the database spells it. */
  readonly name: string;
  /** The stretch that an instant lies in. */
  stretchAt(instant: Millis): Stretch;
}

const ZONE_NAME_MAX = 64; // The longest name in the database has 32.
const ZONES_MAX = 1_024; // The database has about 600 names.
const BLOCK_MS = 4 * 365 * 86_400_000; // A handful of stretches; a search through them is a few steps.
const BLOCKS_MAX = 64; // Of one zone: 256 years.
const INSTANT_MAX = 8.64e15 - 1; // A step before the last instant that Temporal knows.

/** Reads the name of a zone: empty is UTC, otherwise an IANA name. Throws a Fault that names the field. */
export function parseTimezone(text: string, field: string): string {
  if (text === "") return "UTC";
  const name = nameOf(text);
  if (name !== undefined) return name;
  throw fieldFault(
    field,
    `${shown(text)} is not a time zone.`,
    'Use a name of the IANA database, like "Europe/Amsterdam" or "America/New_York"; empty means UTC.',
  );
}

/** The zone of a name that `parseTimezone` gave. */
export function zoneOf(name: string): Zone {
  return zones.get(name);
}

const zones = new Memo<string, Zone>(ZONES_MAX, (name) => new TemporalZone(name));

/** The database's spelling of a name, or undefined when it has none. Offsets like +02:00 are no zones: they know no summer. */
function nameOf(text: string): string | undefined {
  if (text.length > ZONE_NAME_MAX || !/^[A-Za-z][A-Za-z0-9_/+-]*$/.test(text)) return undefined;
  try {
    return at(0, text).timeZoneId;
  } catch {
    return undefined;
  }
}

function at(instant: Millis, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
}

class TemporalZone implements Zone {
  readonly name: string;
  readonly #blocks: Memo<number, readonly Stretch[]>;
  #latest: Stretch; // Most questions are about the same few months.

  constructor(name: string) {
    this.name = name;
    this.#blocks = new Memo(BLOCKS_MAX, (block) => readBlock(name, block * BLOCK_MS));
    this.#latest = readStretch(name, 0);
  }

  stretchAt(instant: Millis): Stretch {
    if (instant >= this.#latest.from && instant < this.#latest.until) return this.#latest;
    const block = this.#blocks.get(Math.floor(instant / BLOCK_MS));
    for (const stretch of block) {
      if (instant >= stretch.until) continue;
      this.#latest = stretch;
      break;
    }
    return this.#latest;
  }
}

/** The stretches that touch a block, in order. */
function readBlock(zone: string, from: Millis): readonly Stretch[] {
  const stretches = [readStretch(zone, from)];
  for (;;) {
    const until = stretches.at(-1)?.until ?? Infinity;
    if (until >= from + BLOCK_MS) return stretches;
    stretches.push(readStretch(zone, until));
  }
}

function readStretch(zone: string, instant: Millis): Stretch {
  const moment = at(Math.max(-INSTANT_MAX, Math.min(instant, INSTANT_MAX)), zone);
  const offset = offsetOf(moment);
  // The transition "previous" to one that falls on this very instant is the one before it.
  const start = moment.add({ nanoseconds: 1 }).getTimeZoneTransition("previous");
  const end = moment.getTimeZoneTransition("next");
  return {
    from: start?.epochMilliseconds ?? -Infinity,
    until: end?.epochMilliseconds ?? Infinity,
    offset,
    offsetBefore: start ? offsetOf(start.subtract({ nanoseconds: 1 })) : offset,
    offsetAfter: end ? offsetOf(end) : offset,
  };
}

function offsetOf(moment: Temporal.ZonedDateTime): Millis {
  return moment.offsetNanoseconds / 1e6;
}
