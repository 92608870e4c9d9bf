/**
 * Plan: what a definition of a schedule promises, worked out apart from the store and
 * the engine: how many occurrences a span has, and which one is next. Intervals and
 * lists of instants are counted here anew, cron is walked through (cron-walk.ts).
 */
import type { Millis } from "../../internal/base/env.ts";
import { type Policy, POLICY_DEFAULT, type Spec } from "../../internal/schedule/schedule.ts";
import type { CronPlan, CronWalk } from "./cron-walk.ts";
import type { ScheduleRecord } from "./journal.ts";

export class Plan {
  readonly policy: Policy;
  /** Everything that decides when occurrences are; two plans with the same have the same occurrences. */
  readonly timing: string;
  readonly #spec: Spec;
  readonly #anchor: Millis;
  readonly #timezone: string;
  readonly #walk: CronWalk;

  constructor(walk: CronWalk, { spec, timezone, anchor, policy, locking }: ScheduleRecord) {
    this.#walk = walk;
    this.#timezone = timezone;
    this.policy = { ...POLICY_DEFAULT, ...(JSON.parse(policy) as Partial<Policy>) };
    this.#spec = JSON.parse(spec) as Spec;
    this.#anchor = anchor;
    const { dstGap, dstFold, startAt, endAt, jitterMs, runsMax, blackouts } = this.policy;
    this.timing = JSON.stringify([
      spec,
      timezone,
      anchor,
      locking,
      dstGap,
      dstFold,
      startAt,
      endAt,
      jitterMs,
      runsMax,
      blackouts,
    ]);
  }

  /** How many occurrences lie in (after, until] and in the bounds of the policy. */
  count(after: Millis, until: Millis): number {
    const { startAt, endAt } = this.policy;
    const from = Math.max(after, (startAt ?? Number.NEGATIVE_INFINITY) - 1);
    const to = Math.min(until, endAt ?? Number.POSITIVE_INFINITY);
    if (to <= from) return 0;
    const spec = this.#spec;
    if (spec.kind === "every") return this.#steps(to, spec.everyMs) - this.#steps(from, spec.everyMs);
    if (spec.kind === "at") return new Set(spec.instants.filter((at) => at > from && at <= to)).size;
    return this.#walk.count(this.#cronPlan(spec.cron), from, to);
  }

  /** The first occurrence after an instant that no blackout forbids; null when there is none. */
  next(after: Millis): Millis | null {
    let next = this.#nominal(after);
    for (let end = this.blackoutAt(next); end !== null; end = this.blackoutAt(next))
      next = this.#nominal(end - 1);
    return next;
  }

  /** When the blackout ends in which an instant lies; null when it lies in none. */
  blackoutAt(instant: Millis | null): Millis | null {
    const inside = this.policy.blackouts.find(
      ({ from, to }) => instant !== null && instant >= from && instant < to,
    );
    return inside?.to ?? null;
  }

  #nominal(after: Millis): Millis | null {
    const { startAt, endAt } = this.policy;
    const next = this.#unbounded(Math.max(after, (startAt ?? Number.NEGATIVE_INFINITY) - 1));
    return next === null || next > (endAt ?? Number.POSITIVE_INFINITY) ? null : next;
  }

  #unbounded(after: Millis): Millis | null {
    const spec = this.#spec;
    if (spec.kind === "cron") return this.#walk.next(this.#cronPlan(spec.cron), after);
    if (spec.kind === "every") return this.#anchor + (this.#steps(after, spec.everyMs) + 1) * spec.everyMs;
    const later = spec.instants.filter((at) => at > after);
    return later.length === 0 ? null : Math.min(...later);
  }

  #cronPlan(cron: readonly string[]): CronPlan {
    const { dstGap, dstFold } = this.policy;
    return { cron, timezone: this.#timezone, change: { dstGap, dstFold } };
  }

  isOccurrence(instant: Millis): boolean {
    return this.#nominal(instant - 1) === instant;
  }

  #steps(instant: Millis, everyMs: Millis): number {
    return Math.max(0, Math.floor((instant - this.#anchor) / everyMs));
  }
}
