/**
 * Rate: how many may start in how long, and the bucket that holds it. `50/s`, `100/m`
 * and `10/30s` on every face.
 *
 * The bucket is one number: the moment at which it is full again (the generic cell
 * rate algorithm). What was not used in an idle hour is lost, but for the burst. A
 * clock that is set back cannot shut it for longer than it takes to fill, when whoever
 * keeps the moment writes down `believedFullAt`. Pure.
 */
import { formatDuration, parseDuration } from "./duration.ts";
import type { Millis } from "./env.ts";
import { type Fault, fieldFault, shown } from "./fault.ts";

export interface Rate {
  count: number;
  perMs: Millis;
}

/** A rate, and how many may start at once. */
export interface Bucket {
  rate: Rate;
  burst: number;
  /** When it is full again; in the past when it is full. */
  fullAt: Millis;
}

export const RATE_COUNT_MAX = 1_000_000; // More than a host starts in a second.
export const RATE_PER_MAX_MS: Millis = 86_400_000; // What counts by the week is a budget.
const BURST_MS: Millis = 100; // Where nobody says: as many as fall into a tenth of a second, so that late timers cost nothing.

/** Reads `50/s`. Throws a Fault that names the field. */
export function parseRate(text: string, field: string): Rate {
  const [, digits, amount = "", unit = ""] = /^(\d{1,7})\/(\d*)(s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined) throw noRate(text, field);
  const rate = { count: Number(digits), perMs: parseDuration(`${amount || 1}${unit}`, field) };
  if (rate.count < 1 || rate.count > RATE_COUNT_MAX || rate.perMs < 1_000 || rate.perMs > RATE_PER_MAX_MS)
    throw noRate(text, field);
  return rate;
}

/** Writes it as it is read. */
export function formatRate({ count, perMs }: Rate): string {
  return `${count}/${formatDuration(perMs).replace(/^1(?=[smhd]$)/, "")}`;
}

/** The burst of a rate for which nobody has said one. */
export function usualBurst({ count, perMs }: Rate): number {
  return Math.max(1, Math.floor((count * BURST_MS) / perMs));
}

/** The moment at which it is full again, as far as it can be: by a clock that was set back since, it would be hours away. */
export function believedFullAt(bucket: Bucket, now: Millis): Millis {
  return Math.min(bucket.fullAt, now + Math.ceil(bucket.burst * spacing(bucket)));
}

/** How many may start now. */
export function startable(bucket: Bucket, now: Millis): number {
  const usedMs = Math.min(Math.max(0, bucket.fullAt - now), bucket.burst * spacing(bucket));
  return Math.floor(bucket.burst - usedMs / spacing(bucket) + ROUNDING);
}

/** The moment at which the bucket is full again when so many have started. */
export function fullAfter(bucket: Bucket, now: Millis, started: number): Millis {
  const usedMs = Math.min(Math.max(0, bucket.fullAt - now), bucket.burst * spacing(bucket));
  return now + usedMs + started * spacing(bucket);
}

/** When the next may start; in the past when one may now. */
export function opensAt(bucket: Bucket, now: Millis): Millis {
  const fullAt = Math.min(bucket.fullAt, now + bucket.burst * spacing(bucket));
  return Math.ceil(fullAt - (bucket.burst - 1) * spacing(bucket) - ROUNDING);
}

const ROUNDING = 1e-6; // Sums of fractions of milliseconds: nobody starts a nanosecond too late.

function spacing({ rate }: Bucket): Millis {
  return rate.perMs / rate.count;
}

function noRate(text: string, field: string): Fault {
  return fieldFault(field, `${shown(text)} is not a rate.`, 'Write it like "50/s", "100/m" or "10/30s".');
}
