/** Backfill: how much of the past may be run again at once. */

export const BACKFILL_RUNS_DEFAULT = 1_000; // More than somebody means by accident is asked for by its number.
export const BACKFILL_RUNS_MAX = 10_000; // A week of minutes; what is more is asked for in parts.
export const BACKFILL_CONCURRENCY_MAX = 100; // Runs of one schedule at once; more is a load test.
export const BACKFILL_BYTES_MAX = 67_108_864; // 64 MiB: every run has a copy of the payload.
export const BACKFILL_PRIORITY_BEHIND = 1; // Behind the plan's own runs of the same handler.
