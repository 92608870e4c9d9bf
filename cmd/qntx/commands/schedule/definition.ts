/** Definition: the options that say when a schedule fires and how it behaves, for those who make or change one. */
import { fieldFault, shown } from "../../../../internal/base/fault.ts";
import { JOB_ATTEMPTS_MAX, JOB_PRIORITY_MAX } from "../../../../internal/job/job.ts";
import type { ArgDefs, ArgsOf } from "../../command.ts";
import { blackoutNames, endpointNames, handlerNames, zoneNames } from "../../names.ts";
import {
  LOCKINGS,
  MISSED_MAX_MAX,
  MISSED_POLICIES,
  OVERLAP_POLICIES,
} from "../../../../internal/schedule/schedule.ts";
import { integer, json, nameOrSpan, pair, retry, RETRY_DESCRIPTION } from "../../values.ts";

const FAILURES_MAX = 1_000;
const RUNS_MAX = 1_000_000_000; // Once a second for thirty years.

/** When it fires; for `next` as well. */
export const whenArgs = {
  every: { type: "string", valueHint: "D", description: "Fire at this interval: 30s, 5m, 1h30m" },
  cron: {
    type: "string",
    repeat: true,
    valueHint: "EXPR",
    description: 'Fire when cron would: "30 9 * * MON-FRI", "@daily"',
  },
  tz: {
    type: "string",
    field: "timezone",
    valueHint: "ZONE",
    complete: zoneNames,
    description: "Time zone of --cron (default UTC)",
  },
} as const satisfies ArgDefs;

/** Everything about a schedule but its name and its handler. */
export const definitionArgs = {
  ...whenArgs,
  at: {
    type: "string",
    repeat: true,
    valueHint: "T",
    description: "Fire once at this instant: 2030-01-31T09:00:00Z",
  },
  payload: {
    type: "string",
    valueHint: "JSON|@FILE|-",
    parse: json,
    description: "What every job is given",
  },
  overlap: {
    type: "enum",
    options: [...OVERLAP_POLICIES],
    description: "When the last job still runs (default skip)",
  },
  missed: {
    type: "enum",
    options: [...MISSED_POLICIES],
    description: "When nobody was there: which of the missed ones run (default latest)",
  },
  missedMax: {
    type: "string",
    valueHint: "N",
    parse: integer(1, MISSED_MAX_MAX),
    description: "With --missed all: at most so many (default 10)",
  },
  missedWindow: { type: "string", valueHint: "D", description: "Make up for nothing older (default 1d)" },
  maxLateness: { type: "string", valueHint: "D", description: "Start nothing later than this (default 1d)" },
  dstGap: {
    type: "enum",
    options: ["run-after", "skip"],
    description: "A time that a change of clocks skips: run after it, or not",
  },
  dstFold: {
    type: "enum",
    options: ["first", "second", "both"],
    description: "A time that a change of clocks repeats: which pass runs",
  },
  blackout: {
    type: "string",
    field: "blackouts",
    repeat: true,
    valueHint: "NAME|FROM/TO",
    parse: nameOrSpan,
    complete: blackoutNames,
    description: "Do not fire in this blackout, or from this instant to before that one",
  },
  pauseAfterFailures: {
    type: "string",
    valueHint: "N",
    parse: integer(1, FAILURES_MAX),
    description: "Pause after so many failed runs in a row",
  },
  mustStartWithin: {
    type: "string",
    valueHint: "D",
    description: "Say so when a job has not started this long after its time",
  },
  mustSucceedWithin: {
    type: "string",
    valueHint: "D",
    description: "Say so when a job has not succeeded this long after its time",
  },
  locking: {
    type: "enum",
    options: [...LOCKINGS],
    description: "On several hosts: one of them runs it, or each (default require-global)",
  },
  jitter: { type: "string", valueHint: "D", description: "Start each job up to this much later, evenly" },
  startAt: { type: "string", valueHint: "T", description: "Do not fire before this instant" },
  endAt: { type: "string", valueHint: "T", description: "Do not fire after this instant" },
  maxRuns: {
    type: "string",
    field: "runsMax",
    valueHint: "N",
    parse: integer(1, RUNS_MAX),
    description: "Finish after this many jobs",
  },
  timeout: { type: "string", valueHint: "D", description: "How long a job may take" },
  maxAttempts: {
    type: "string",
    valueHint: "N",
    parse: integer(1, JOB_ATTEMPTS_MAX),
    description: "How often a job is tried",
  },
  retry: { type: "string", valueHint: "R", parse: retry, description: RETRY_DESCRIPTION },
  priority: {
    type: "string",
    valueHint: "N",
    parse: integer(-JOB_PRIORITY_MAX, JOB_PRIORITY_MAX),
    description: "Lower runs first (default 0)",
  },
  description: { type: "string", valueHint: "TEXT", description: "What it is for" },
  metadata: {
    type: "string",
    repeat: true,
    valueHint: "K=V",
    parse: pair,
    description: "A label of your own",
  },
} as const satisfies ArgDefs;

/** The handler of a schedule, as an option. */
export const handlerArg = {
  type: "string",
  valueHint: "H",
  complete: handlerNames,
  description: "The handler that runs: python.report, ixgest.git",
} as const;

/** What it calls in place of a handler, as an option. */
export const endpointArg = {
  type: "string",
  valueHint: "P/E",
  complete: endpointNames,
  description: 'In place of a handler: a plugin\'s own route, "demo/POST /sync"',
} as const;

/** The fields of an operation, from these options. */
export function definitionOf({
  tz,
  cron,
  at,
  maxRuns,
  metadata,
  blackout,
  ...same
}: ArgsOf<typeof definitionArgs>): Record<string, unknown> {
  return {
    ...same,
    cron: given(cron),
    at: given(at),
    blackouts: given(blackout),
    timezone: tz,
    runsMax: maxRuns,
    metadata: metadata.length === 0 ? undefined : labelsOf(metadata),
  };
}

function labelsOf(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const labels = new Map<string, string>();
  for (const [key, value] of pairs) {
    if (labels.has(key)) throw fieldFault("--metadata", `${shown(key)} is given twice.`, "Leave one out.");
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}

/** A repeated option that was never given says nothing. */
export function given<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length === 0 ? undefined : values;
}
