/**
 * What may be said about how a schedule behaves, and how it becomes a policy. A
 * field that is absent stays as it is, and one that is null goes back to its
 * default: the two are different.
 */
import { z } from "zod";
import { parseDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { parseInstant } from "../base/instant.ts";
import { JOB_ATTEMPTS_MAX, JOB_PRIORITY_MAX, JOB_TIMEOUT_MAX_MS } from "../job/job.ts";
import {
  BLACKOUTS_MAX,
  type Blackout,
  MISSED_MAX_MAX,
  MISSED_POLICIES,
  OVERLAP_POLICIES,
  type Policy,
  POLICY_DEFAULT,
} from "../schedule/schedule.ts";

const oneOf = <const T extends readonly [string, ...string[]]>(words: T) =>
  z.enum(words, `must be one of ${words.join(", ")}.`).nullish();
const text = z.string().nullish();
const count = (max: number) =>
  z
    .int("must be a whole number.")
    .min(1, "must be at least 1.")
    .max(max, `must be at most ${max}.`)
    .nullish();

const BLACKOUT_NOTE_CHARS_MAX = 200;
const FAILURES_MAX = 1_000;
const RUNS_MAX = 1_000_000_000;

/** The fields, as every face takes them. Durations and instants are texts. */
export const policyShape = {
  overlap: oneOf(OVERLAP_POLICIES),
  missed: oneOf(MISSED_POLICIES),
  missedMax: count(MISSED_MAX_MAX),
  missedWindow: text,
  maxLateness: text,
  jitter: text,
  dstGap: oneOf(["run-after", "skip"]),
  dstFold: oneOf(["first", "second", "both"]),
  startAt: text,
  endAt: text,
  runsMax: count(RUNS_MAX),
  timeout: text,
  maxAttempts: count(JOB_ATTEMPTS_MAX),
  priority: z
    .int("must be a whole number.")
    .min(-JOB_PRIORITY_MAX, `must be at least -${JOB_PRIORITY_MAX}.`)
    .max(JOB_PRIORITY_MAX, `must be at most ${JOB_PRIORITY_MAX}.`)
    .nullish(),
  blackouts: z
    .array(
      z.strictObject({
        from: z.string(),
        to: z.string(),
        note: z.string().max(BLACKOUT_NOTE_CHARS_MAX).optional(),
      }),
    )
    .max(BLACKOUTS_MAX, `has more than ${BLACKOUTS_MAX} spans.`)
    .nullish(),
  pauseAfterFailures: count(FAILURES_MAX),
};

const policyInput = z.object(policyShape);
export type PolicyInput = z.infer<typeof policyInput>;

/** How each field of the input becomes one of the policy: `given` where it is, the default where it is null. */
const READERS: readonly ((input: PolicyInput) => Partial<Policy>)[] = [
  ({ overlap }) => given("overlap", overlap, (mode) => mode),
  ({ missed }) => given("missed", missed, (policy) => policy),
  ({ missedMax }) => given("missedMax", missedMax, (max) => max),
  ({ missedWindow }) =>
    given("missedWindowMs", missedWindow, (value) => parseDuration(value, "missedWindow")),
  ({ maxLateness }) => given("latenessMaxMs", maxLateness, (value) => parseDuration(value, "maxLateness")),
  ({ jitter }) => given("jitterMs", jitter, (value) => parseDuration(value, "jitter")),
  ({ dstGap }) => given("dstGap", dstGap, (rule) => rule),
  ({ dstFold }) => given("dstFold", dstFold, (rule) => rule),
  ({ startAt }) => given("startAt", startAt, (value) => parseInstant(value, "startAt")),
  ({ endAt }) => given("endAt", endAt, (value) => parseInstant(value, "endAt")),
  ({ runsMax }) => given("runsMax", runsMax, (max) => max),
  ({ timeout }) => given("timeoutMs", timeout, readTimeout),
  ({ maxAttempts }) => given("maxAttempts", maxAttempts, (max) => max),
  ({ priority }) => given("priority", priority, (rank) => rank),
  ({ blackouts }) => given("blackouts", blackouts, (spans) => spans.map(readBlackout)),
  ({ pauseAfterFailures }) => given("pauseAfterFailures", pauseAfterFailures, (max) => max),
];

/** Reads the policies that were given on top of what was in force. Throws a Fault that names the field. */
export function readPolicyInput(input: PolicyInput, before: Policy = POLICY_DEFAULT): Policy {
  const policy: Policy = Object.assign({}, before, ...READERS.map((read) => read(input)));
  if (policy.startAt !== null && policy.endAt !== null && policy.endAt <= policy.startAt) {
    throw fieldFault("endAt", "is not after the start.", "A schedule ends after it starts.");
  }
  return policy;
}

function given<K extends keyof Policy, Value>(
  field: K,
  value: Value | null | undefined,
  read: (value: Value) => Policy[K],
): Partial<Policy> {
  if (value === undefined) return {};
  return { [field]: value === null ? POLICY_DEFAULT[field] : read(value) };
}

/** A timeout of at least a millisecond and at most a week. */
export function readTimeout(text: string): Millis {
  const ms = parseDuration(text, "timeout");
  if (ms > 0 && ms <= JOB_TIMEOUT_MAX_MS) return ms;
  throw fieldFault("timeout", `${shown(text)} is out of range.`, 'Give a duration above zero, up to "7d".');
}

function readBlackout(
  { from, to, note }: { from: string; to: string; note?: string | undefined },
  index: number,
): Blackout {
  const field = `blackouts.${index}`;
  const blackout = {
    from: parseInstant(from, `${field}.from`),
    to: parseInstant(to, `${field}.to`),
    note: note ?? "",
  };
  if (blackout.to > blackout.from) return blackout;
  throw fieldFault(`${field}.to`, "is not after the start.", "A blackout ends after it starts.");
}
