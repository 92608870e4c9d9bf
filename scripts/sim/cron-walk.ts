/**
 * Cron walk: when cron expressions fire in a world, found by walking, as the oracle of
 * the engine does (internal/schedule/oracle.ts), whose judgement it takes. It shares
 * nothing with the engine. A stretch of time is walked once for each zone, and each
 * expression is held against it once.
 */
import type { Millis } from "../../internal/base/env.ts";
import { type ClockChange, firesDuring, MARGIN_MS, type Walk } from "../../internal/schedule/oracle.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;
const NEXT_WITHIN = 40 * 24 * HOUR; // All expressions of the worlds fire within a month.

/** Some expressions, joined. */
export interface CronPlan {
  cron: readonly string[];
  timezone: string;
  change: ClockChange;
}

export class CronWalk {
  readonly #walks = new Map<string, Walk>();
  readonly #fires = new Map<string, readonly Millis[]>();

  /** How often they fire in (after, until]. */
  count(plan: CronPlan, after: Millis, until: Millis): number {
    const { size } = gridOf(plan);
    let count = 0;
    for (let from = floor(after, size); from <= until; from += size) {
      const fires = this.#firesIn(plan, from);
      const whole = after < from && from + size <= until;
      count += whole ? fires.length : fires.filter((at) => at > after && at <= until).length;
    }
    return count;
  }

  /** The first time that they fire after an instant; null when they do not for long. */
  next(plan: CronPlan, after: Millis): Millis | null {
    const { size } = gridOf(plan);
    for (let from = floor(after, size); from <= after + NEXT_WITHIN; from += size) {
      const found = this.#firesIn(plan, from).find((at) => at > after);
      if (found !== undefined) return found;
    }
    return null;
  }

  #firesIn(plan: CronPlan, from: Millis): readonly Millis[] {
    const key = `${from} ${JSON.stringify(plan)}`;
    const known = this.#fires.get(key);
    if (known) return known;
    const { size, stepMs } = gridOf(plan);
    const walk = this.#walk(plan.timezone, { from, until: from + size, stepMs });
    const fires = firesDuring(walk, plan.cron.map(spelledOut), plan.change);
    this.#fires.set(key, fires);
    return fires;
  }

  #walk(zone: string, span: Span): Walk {
    const key = `${zone} ${span.from} ${span.stepMs}`;
    const known = this.#walks.get(key);
    if (known) return known;
    const made = walkThrough(zone, span);
    this.#walks.set(key, made);
    return made;
  }
}

interface Span {
  from: Millis;
  until: Millis;
  stepMs: Millis;
}

/** As the oracle walks, but that the calendar is asked once a minute: no zone changes within one. */
function walkThrough(zone: string, { from, until, stepMs }: Span): Walk {
  const start = from - MARGIN_MS;
  const count = Math.ceil((until + MARGIN_MS - start) / stepMs);
  const walls = new Float64Array(count);
  const passes = new Uint8Array(count);
  const seen = new Map<number, number>();
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const instant = start + i * stepMs;
    if (instant % MINUTE === 0) offset = offsetAt(zone, instant);
    const wall = (instant + offset) / 1_000;
    const before = seen.get(wall);
    if (before !== undefined) [passes[before], passes[i]] = [1, 2];
    walls[i] = wall;
    seen.set(wall, i);
  }
  return { zone, from: start, stepMs, walls, passes };
}

/** Expressions with seconds are walked by the second, in shorter stretches. */
function gridOf({ cron }: CronPlan): { size: Millis; stepMs: Millis } {
  const seconds = cron.some((text) => text.split(" ").length > 5);
  return seconds ? { size: 6 * HOUR, stepMs: 1_000 } : { size: 24 * HOUR, stepMs: MINUTE };
}

const SHORTCUTS: Record<string, string> = { "@hourly": "0 * * * *", "@daily": "0 0 * * *" };

function spelledOut(text: string): string {
  return SHORTCUTS[text] ?? text;
}

function offsetAt(zone: string, instant: Millis): Millis {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone).offsetNanoseconds / 1e6;
}

function floor(instant: Millis, size: Millis): Millis {
  return Math.floor(instant / size) * size;
}
