/**
 * Swarm: what goes wrong in one seed, and how often. Each seed draws its own rates
 * and leaves some faults out altogether, because faults that always come together
 * hide each other.
 */
import type { Millis } from "../../internal/base/env.ts";
import { drawDay } from "./calendar.ts";
import type { Dice } from "./dice.ts";

/** Null where something never happens in a seed; `Ms` is the mean time between two. */
export interface Swarm {
  /** The wall clock at the start, the zone whose clocks are about to change, and what is tried on that day. */
  startAt: Millis;
  zone: string;
  crons: readonly string[];
  chaosMs: Millis;
  killMs: Millis | null;
  stopMs: Millis | null;
  freezeMs: Millis | null;
  clockStepMs: Millis | null;
  drift: number;
  /** Share of statements before which the host is killed. */
  killInside: number;
  /** Share of commits after which the host is killed, before anybody is answered. */
  killAfterCommit: number;
  /** Share of statements that fail. */
  throwInside: number;
  enqueueMs: Millis;
  cancelMs: Millis | null;
  peopleMs: Millis;
  declareMs: Millis | null;
  ghostMs: Millis | null;
  /** Named blackouts are set and deleted. */
  blackoutMs: Millis | null;
  backfillMs: Millis | null;
  /** Somebody says that the clock is right, whatever it shows. */
  confirmMs: Millis | null;
  /** Plugins: how they behave. */
  crashMs: Millis | null;
  cutMs: Millis | null;
  disownMs: Millis | null;
  /** Of what is said between host and plugins, some takes up to so long. */
  lagMs: Millis;
  /** True when plugins bring other limits each time they start. */
  newLimits: boolean;
  slowShare: number;
  failShare: number;
  poisonShare: number;
  deafShare: number;
  uniqueShare: number;
  /** Jobs that have a concurrency key, are tied to others, and ask for another run each time. */
  keyShare: number;
  tieShare: number;
  sleepyShare: number;
  /** Somebody pauses and resumes jobs and handlers, retries one, retries and cancels many. */
  holdMs: Millis | null;
  retryMs: Millis | null;
  bulkMs: Millis | null;
  schedules: number;
  /** Who keeps the locks of occurrences: the store, or a server that all nodes ask. */
  locks: "store" | "server";
  /** Share of occurrences that another node is first to lock. */
  rivalShare: number;
  /** Share of questions to the lock server that are lost, or their answers. */
  lockLossShare: number;
  lockOutageMs: Millis | null;
  /** True when each host brings newer time zone data. */
  newZoneData: boolean;
  /** Share of reboots that come after hours or days. */
  longOutages: number;
  jobsMax: number;
  /** Somebody sets budgets, and takes them away. */
  budgetMs: Millis | null;
}

const SECOND = 1_000;

/** Draws what goes wrong. */
export function drawSwarm(dice: Dice): Swarm {
  const maybe = (share: number, low: Millis, high: Millis) =>
    dice.chance(share) ? dice.between(low, high) : null;
  const rarely = (share: number, ...odds: [number, ...number[]]) =>
    dice.chance(share) ? 1 / dice.pick(odds) : 0;
  return {
    ...drawDay(dice),
    chaosMs: dice.between(50, 150) * SECOND,
    killMs: maybe(0.7, 10_000, 90_000),
    stopMs: maybe(0.5, 30_000, 180_000),
    freezeMs: maybe(0.4, 40_000, 240_000),
    clockStepMs: maybe(0.4, 30_000, 240_000),
    drift: dice.chance(0.3) ? dice.between(-20, 20) / 10_000 : 0,
    killInside: rarely(0.5, 300, 1_000, 3_000),
    killAfterCommit: rarely(0.5, 50, 200, 800),
    throwInside: rarely(0.5, 30, 150, 1_000),
    enqueueMs: dice.pick([300, 700, 2_000]),
    cancelMs: maybe(0.7, 500, 10_000),
    peopleMs: dice.pick([2_000, 8_000, 30_000]),
    declareMs: maybe(0.5, 5_000, 40_000),
    ghostMs: maybe(0.7, 500, 5_000),
    blackoutMs: maybe(0.4, 5_000, 40_000),
    backfillMs: maybe(0.4, 5_000, 40_000),
    confirmMs: maybe(0.3, 10_000, 60_000),
    crashMs: maybe(0.7, 2_000, 60_000),
    cutMs: maybe(0.4, 8_000, 60_000),
    disownMs: maybe(0.3, 20_000, 90_000),
    lagMs: dice.pick([2, 20, 400, 3_000]),
    newLimits: dice.chance(0.4),
    slowShare: dice.pick([0, 0.1, 0.5]),
    failShare: dice.pick([0, 0.1, 0.4]),
    poisonShare: dice.pick([0, 0, 0.02]),
    deafShare: dice.pick([0, 0.05, 0.2]),
    uniqueShare: dice.pick([0, 0.2]),
    keyShare: dice.pick([0, 0.3, 0.6]),
    tieShare: dice.pick([0, 0.2, 0.4]),
    sleepyShare: dice.pick([0, 0, 0.02]),
    holdMs: maybe(0.5, 1_000, 15_000),
    retryMs: maybe(0.4, 2_000, 20_000),
    bulkMs: maybe(0.4, 4_000, 30_000),
    schedules: dice.between(2, 8),
    locks: dice.pick(["store", "server"]),
    rivalShare: dice.pick([0.1, 0.3, 0.6]),
    lockLossShare: dice.pick([0, 0.05, 0.3]),
    lockOutageMs: maybe(0.5, 20_000, 90_000),
    newZoneData: dice.chance(0.2),
    longOutages: dice.pick([0, 0, 0.1, 0.3]),
    jobsMax: dice.pick([3, 16, 256]),
    budgetMs: maybe(0.4, 5_000, 40_000),
  };
}
