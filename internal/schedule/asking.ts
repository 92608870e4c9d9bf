/**
 * Asking: occurrences that wait for their lock, because its provider does not answer.
 * They are asked for again and again, until they are as late as one that was missed:
 * then the missed-run policy decides, as it does when nobody was there.
 */
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import type { Closing, Waiting } from "./overlap.ts";
import { MISSED_AFTER_MS, type MissedPolicy, type Policy } from "./schedule.ts";

/** One that does not ask any more, and what became of it. */
export type Given = Pick<Closing, "outcome" | "note"> & { waiting: Waiting };

/** Those that have waited too long. The policy keeps some of them; what it keeps is bounded as runs are that it makes up for. */
export function overdue(
  asking: readonly Waiting[],
  { policy, lateMs, runsLeft }: { policy: Policy; lateMs: (occurrence: Millis) => Millis; runsLeft: number },
): Given[] {
  const given: Given[] = [];
  const drop = (entries: readonly Waiting[], outcome: Given["outcome"], note?: string) =>
    given.push(...entries.map((waiting) => ({ waiting, outcome, ...(note !== undefined && { note }) })));
  const late = (limitMs: Millis) => (entry: Waiting) => lateMs(entry.occurrence) > limitMs;
  const stays = (entry: Waiting) => given.every(({ waiting }) => waiting !== entry);

  drop(asking.filter(late(policy.latenessMaxMs)), "expired");
  const missed = asking.filter(late(MISSED_AFTER_MS)).filter(stays);
  drop(missed.filter(late(policy.missedWindowMs)), "skipped-missed");
  const kept = KEPT[policy.missed](missed.filter(stays), asking, policy);
  const outcome = policy.missed === "latest" ? "coalesced" : "skipped-missed";
  const last = asking.at(-1);
  drop(
    missed.filter(stays).filter((entry) => !kept.includes(entry)),
    outcome,
    outcome === "coalesced" && last ? `into the one of ${formatInstant(last.occurrence)}` : undefined,
  );
  // The limit of runs may have been lowered since they asked.
  drop(asking.filter(stays).slice(Math.max(0, runsLeft)), "skipped-overlap");
  return given;
}

/** Which of those that are late may still run. `asking` are all, late or not, in order. */
const KEPT: Record<
  MissedPolicy,
  (missed: readonly Waiting[], asking: readonly Waiting[], policy: Policy) => readonly Waiting[]
> = {
  skip: () => [],
  latest: (missed, asking) => missed.filter((entry) => entry === asking.at(-1)),
  earliest: (missed) => missed.slice(0, 1),
  all: (missed, _, { missedMax }) => missed.slice(-missedMax),
};

/** When one that asks must be looked at again, should no answer come. */
export function askingUntil(
  { late }: { late: boolean },
  { latenessMaxMs, missedWindowMs }: Pick<Policy, "latenessMaxMs" | "missedWindowMs">,
): Millis {
  return Math.min(latenessMaxMs, late ? missedWindowMs : MISSED_AFTER_MS) + 1;
}
