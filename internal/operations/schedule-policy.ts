/**
 * What may be said about how a schedule behaves, and how it becomes a policy. A
 * field that is absent stays as it is, and one that is null goes back to its
 * default: the two are different.
 */
import { z } from "zod";
import { formatDuration, parseDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import {
  BLACKOUT_NAMES_MAX,
  type NamedBlackout,
  noBlackout,
  ownSpans,
  spansOf,
} from "../schedule/named-blackout.ts";
import { parseRetry } from "../base/retry.ts";
import { JOB_ATTEMPTS_MAX, JOB_PRIORITY_MAX, JOB_TIMEOUT_MAX_MS } from "../job/job.ts";
import {
  BLACKOUTS_MAX,
  type Blackout,
  LATE_AFTER_MS,
  MISSED_MAX_MAX,
  MISSED_POLICIES,
  OBJECTIVE_MAX_MS,
  OBJECTIVE_MIN_MS,
  OVERLAP_POLICIES,
  type Policy,
  POLICY_DEFAULT,
} from "../schedule/schedule.ts";
import type { Store } from "../store/store.ts";
import type { Context } from "./operation.ts";

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

const spanInput = z.strictObject({
  from: z.string(),
  to: z.string(),
  note: z.string().max(BLACKOUT_NOTE_CHARS_MAX).optional(),
});

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
  retry: text,
  priority: z
    .int("must be a whole number.")
    .min(-JOB_PRIORITY_MAX, `must be at least -${JOB_PRIORITY_MAX}.`)
    .max(JOB_PRIORITY_MAX, `must be at most ${JOB_PRIORITY_MAX}.`)
    .nullish(),
  /** Spans, and names of blackouts. */
  blackouts: z
    .array(z.union([z.string(), spanInput], "must be a blackout's name, or a span with from and to."))
    .max(BLACKOUTS_MAX, `has more than ${BLACKOUTS_MAX} entries.`)
    .nullish(),
  pauseAfterFailures: count(FAILURES_MAX),
  mustStartWithin: text,
  mustSucceedWithin: text,
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
  ({ maxLateness }) => given("latenessMaxMs", maxLateness, readLateness),
  ({ jitter }) => given("jitterMs", jitter, (value) => parseDuration(value, "jitter")),
  ({ dstGap }) => given("dstGap", dstGap, (rule) => rule),
  ({ dstFold }) => given("dstFold", dstFold, (rule) => rule),
  ({ startAt }) => given("startAt", startAt, (value) => parseInstant(value, "startAt")),
  ({ endAt }) => given("endAt", endAt, (value) => parseInstant(value, "endAt")),
  ({ runsMax }) => given("runsMax", runsMax, (max) => max),
  ({ timeout }) => given("timeoutMs", timeout, readTimeout),
  ({ maxAttempts }) => given("maxAttempts", maxAttempts, (max) => max),
  ({ retry }) => given("retry", retry, (value) => parseRetry(value, "retry")),
  ({ priority }) => given("priority", priority, (rank) => rank),
  ({ blackouts }) => (blackouts === undefined ? {} : readBlackouts(blackouts ?? [])),
  ({ pauseAfterFailures }) => given("pauseAfterFailures", pauseAfterFailures, (max) => max),
  ({ mustStartWithin }) =>
    given("mustStartWithinMs", mustStartWithin, (value) =>
      checkObjective(parseDuration(value, "mustStartWithin"), "mustStartWithin"),
    ),
  ({ mustSucceedWithin }) =>
    given("mustSucceedWithinMs", mustSucceedWithin, (value) =>
      checkObjective(parseDuration(value, "mustSucceedWithin"), "mustSucceedWithin"),
    ),
];

/** Reads the policies that were given on top of what was in force. Throws a Fault that names the field. */
export function readPolicyInput(input: PolicyInput, before: Policy = POLICY_DEFAULT): Policy {
  const policy: Policy = Object.assign({}, before, ...READERS.map((read) => read(input)));
  if (policy.startAt !== null && policy.endAt !== null && policy.endAt <= policy.startAt) {
    throw fieldFault(
      "endAt",
      `${shown(formatInstant(policy.endAt))} is not after ${shown(formatInstant(policy.startAt))}.`,
      "A schedule ends after it starts.",
    );
  }
  refuseImpossible(policy);
  return policy;
}

/** Refuses a number of missed runs where one of them runs at most: it would have no effect. */
export function refuseIdleMax({ missedMax }: PolicyInput, { missed }: Policy): void {
  if (missedMax === undefined || missedMax === null || missed === "all") return;
  throw fieldFault(
    "missedMax",
    `has no effect when the missed policy is ${missed}.`,
    'It says how many of them run with "all".',
  );
}

/** What is accepted, and does less than whoever says it may expect. */
export function policyWarnings({ missedWindow }: PolicyInput, policy: Policy): string[] {
  const { missedWindowMs: window, latenessMaxMs: latest } = policy;
  if (!missedWindow || window <= latest) return [];
  const [wanted, most] = [window, latest].map(formatDuration);
  return [
    `Nothing starts later than ${most} after its time, so no more is made up for in a window of ${wanted}.`,
  ];
}

/** A run that has succeeded has started: the wider of the two would never be looked at. */
export function refuseImpossible({ mustStartWithinMs, mustSucceedWithinMs }: Policy): void {
  if (mustStartWithinMs === null || mustSucceedWithinMs === null) return;
  if (mustSucceedWithinMs >= mustStartWithinMs) return;
  throw fieldFault(
    "mustSucceedWithin",
    `${formatDuration(mustSucceedWithinMs)} is less than the ${formatDuration(mustStartWithinMs)} within which a run must start.`,
    "Give it more time, or take the other objective away.",
  );
}

type ObjectiveField = "mustStartWithin" | "mustSucceedWithin";

/** How long after its time something must have happened. */
export function checkObjective(ms: Millis, field: ObjectiveField): Millis {
  if (ms >= OBJECTIVE_MIN_MS && ms <= OBJECTIVE_MAX_MS) return ms;
  throw fieldFault(field, `"${formatDuration(ms)}" is out of range.`, 'Give a duration from "1s" to "30d".');
}

function given<K extends keyof Policy, Value>(
  field: K,
  value: Value | null | undefined,
  read: (value: Value) => Policy[K],
): Partial<Policy> {
  if (value === undefined) return {};
  return { [field]: value === null ? POLICY_DEFAULT[field] : read(value) };
}

/** Nothing starts in no time: with less than a second nothing would start at all. */
function readLateness(text: string): Millis {
  const ms = parseDuration(text, "maxLateness");
  if (ms >= LATE_AFTER_MS) return ms;
  throw fieldFault(
    "maxLateness",
    `${shown(text)} is too short: nothing would start.`,
    "Give a second or more.",
  );
}

/** A timeout of at least a millisecond and at most a week. */
export function readTimeout(text: string): Millis {
  const ms = parseDuration(text, "timeout");
  if (ms > 0 && ms <= JOB_TIMEOUT_MAX_MS) return ms;
  throw fieldFault("timeout", `${shown(text)} is out of range.`, 'Give a duration above zero, up to "7d".');
}

/** The policy with the spans that its named blackouts stand for now. Throws a Fault for a name that nobody has set. */
export async function withNamedSpans({ store }: Pick<Context, "store">, policy: Policy): Promise<Policy> {
  if (policy.blackoutNames.length === 0) return policy;
  const lists = await Promise.all(policy.blackoutNames.map((name) => findBlackout(store, name)));
  return { ...policy, blackouts: [...ownSpans(policy), ...lists.flatMap(spansOf)] };
}

async function findBlackout(store: Store, name: string): Promise<NamedBlackout> {
  const found = await store.blackouts.get(name);
  if (!found) throw noBlackout(name);
  return found;
}

type BlackoutInput = NonNullable<PolicyInput["blackouts"]>[number];

function readBlackouts(entries: readonly BlackoutInput[]): Pick<Policy, "blackouts" | "blackoutNames"> {
  const names = new Set(entries.filter((entry) => typeof entry === "string"));
  if (names.size > BLACKOUT_NAMES_MAX)
    throw fieldFault("blackouts", `has ${names.size} names; at most ${BLACKOUT_NAMES_MAX} are allowed.`);
  const spans = entries.flatMap((entry, index) =>
    typeof entry === "string" ? [] : [readSpan(entry, index)],
  );
  return { blackouts: spans, blackoutNames: [...names] };
}

function readSpan(
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
  throw fieldFault(
    `${field}.to`,
    `${shown(to)} is not after ${shown(from)}.`,
    "A blackout ends after it starts.",
  );
}
