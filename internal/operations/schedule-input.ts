/**
 * What people and plugins may say about a schedule, checked and turned into our
 * own words. Cron texts and zones are read by `schedule/`, which owns their rules.
 */
import { z } from "zod";
import type { Env } from "../base/env.ts";
import { parseDuration } from "../base/duration.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { parseInstant } from "../base/instant.ts";
import { JOB_ATTEMPTS_MAX, JOB_PRIORITY_MAX, JOB_TIMEOUT_MAX_MS } from "../job/job.ts";
import { HANDLER_NAME_PATTERN } from "../plugin/plugin.ts";
import { cronSpec, parseEvery } from "../schedule/recurrence.ts";
import {
  AT_INSTANTS_MAX,
  type Policy,
  POLICY_DEFAULT,
  SCHEDULE_NAME_PATTERN,
  type Spec,
  type Target,
} from "../schedule/schedule.ts";
import { parseTimezone } from "../schedule/zone.ts";

const DESCRIPTION_CHARS_MAX = 1_000;
const METADATA_KEYS_MAX = 64;
const METADATA_CHARS_MAX = 4_096; // Per value: labels and references, not documents.
export const SCHEDULE_PAYLOAD_BYTES_MAX = 100_000; // What a tenant's schedule may carry (seed 004); every run copies it.

const texts = z.union([z.string(), z.array(z.string())]);

/** When: exactly one of them where a schedule is made, at most one where it is changed. */
const whenShape = {
  every: z.string().optional(),
  cron: texts.optional(),
  at: texts.optional(),
  timezone: z.string().optional(),
};

const policyShape = {
  overlap: z.enum(["skip", "allow"], 'must be "skip" or "allow".').optional(),
  missed: z.enum(["latest", "skip", "earliest"], 'must be "latest", "skip" or "earliest".').optional(),
  jitter: z.string().optional(),
  startAt: z.string().optional(),
  endAt: z.string().optional(),
  runsMax: z.int("must be a whole number.").min(1, "must be at least 1.").optional(),
  timeout: z.string().optional(),
  maxAttempts: z
    .int("must be a whole number.")
    .min(1, "must be at least 1.")
    .max(JOB_ATTEMPTS_MAX)
    .optional(),
  priority: z.int("must be a whole number.").min(-JOB_PRIORITY_MAX).max(JOB_PRIORITY_MAX).optional(),
};

const describeShape = {
  payload: z.unknown().optional(),
  description: z
    .string()
    .max(DESCRIPTION_CHARS_MAX, `has more than ${DESCRIPTION_CHARS_MAX} characters.`)
    .optional(),
  metadata: z
    .record(z.string().max(128), z.string().max(METADATA_CHARS_MAX))
    .refine((map) => Object.keys(map).length <= METADATA_KEYS_MAX, `has more than ${METADATA_KEYS_MAX} keys.`)
    .optional(),
};

export const createInput = z.strictObject({
  name: z.string().optional(),
  handler: z.string("is missing: the handler that runs."),
  ...whenShape,
  ...policyShape,
  ...describeShape,
  paused: z.boolean().optional(),
  note: z.string().max(DESCRIPTION_CHARS_MAX).optional(),
  /** A schedule of this name and owner is changed instead of refused. */
  upsert: z.boolean().optional(),
  /** A schedule of this name and owner is left as it is instead of refused. */
  ifNotExists: z.boolean().optional(),
});

export const updateInput = z.strictObject({
  id: z.string(),
  name: z.string().optional(),
  handler: z.string().optional(),
  ...whenShape,
  ...policyShape,
  ...describeShape,
  revision: z.int().optional(),
});

export type WhenInput = Pick<z.infer<typeof createInput>, "every" | "cron" | "at" | "timezone">;
type PolicyInput = Pick<z.infer<typeof createInput>, keyof typeof policyShape>;

/** Reads which of every, cron and at was given; undefined when none was. */
export function readSpec({ every, cron, at }: WhenInput, env: Env | null): Spec | undefined {
  const given = Object.entries({ every, cron, at }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(" and ");
    throw fieldFault(
      given[1]?.[0] ?? "every",
      `${names} cannot be given together.`,
      "Choose one of every, cron and at.",
    );
  }
  if (every !== undefined) return { kind: "every", everyMs: parseEvery(every, "every") };
  if (cron !== undefined) return cronSpec([cron].flat(), "cron");
  return at === undefined ? undefined : readInstants([at].flat(), env);
}

function readInstants(texts: readonly string[], env: Env | null): Spec {
  if (texts.length === 0 || texts.length > AT_INSTANTS_MAX) {
    throw fieldFault(
      "at",
      `a schedule cannot have ${texts.length} instants.`,
      `Give 1 to ${AT_INSTANTS_MAX}.`,
    );
  }
  const instants = texts.map((text) => parseInstant(text, "at")).toSorted((a, b) => a - b);
  if (env && instants.every((instant) => instant <= env.now())) {
    throw fieldFault(
      "at",
      `${shown(texts.at(-1))} is in the past.`,
      "A schedule needs an instant that is still to come.",
    );
  }
  return { kind: "at", instants: [...new Set(instants)] };
}

/** Reads the spec that a new schedule must have. */
export function requireSpec(input: WhenInput, env: Env | null): Spec {
  const spec = readSpec(input, env);
  if (spec) return spec;
  throw fieldFault("every", "when it runs is missing.", "Give one of every, cron and at.");
}

/** An interval or an instant needs no zone, and one that does nothing is refused rather than kept. */
export function readTimezone(timezone: string | undefined, spec: Spec): string {
  const zone = parseTimezone(timezone ?? "", "timezone");
  if (timezone && spec.kind !== "cron") {
    throw fieldFault(
      "timezone",
      `${shown(timezone)} has no effect on ${spec.kind}.`,
      "Leave it out, or use cron.",
    );
  }
  return zone;
}

/** Reads the policies that were given on top of what was in force. */
export function readPolicyInput(input: PolicyInput, before: Policy = POLICY_DEFAULT): Policy {
  const policy = { ...before };
  if (input.overlap !== undefined) policy.overlap = input.overlap;
  if (input.missed !== undefined) policy.missed = input.missed;
  if (input.jitter !== undefined) policy.jitterMs = parseDuration(input.jitter, "jitter");
  if (input.startAt !== undefined) policy.startAt = parseInstant(input.startAt, "startAt");
  if (input.endAt !== undefined) policy.endAt = parseInstant(input.endAt, "endAt");
  if (input.runsMax !== undefined) policy.runsMax = input.runsMax;
  if (input.timeout !== undefined) policy.timeoutMs = readTimeout(input.timeout);
  if (input.maxAttempts !== undefined) policy.maxAttempts = input.maxAttempts;
  if (input.priority !== undefined) policy.priority = input.priority;
  if (policy.startAt !== null && policy.endAt !== null && policy.endAt <= policy.startAt) {
    throw fieldFault("endAt", "is not after the start.", "A schedule ends after it starts.");
  }
  return policy;
}

/** A timeout of at least a millisecond and at most a week. */
export function readTimeout(text: string): number {
  const ms = parseDuration(text, "timeout");
  if (ms > 0 && ms <= JOB_TIMEOUT_MAX_MS) return ms;
  throw fieldFault("timeout", `${shown(text)} is out of range.`, 'Give a duration above zero, up to "7d".');
}

/** Reads a handler's name, `python.report` or `<plugin>/python.report`. */
export function readHandler(text: string, field = "handler"): { handler: string; plugin: string } {
  const slash = text.indexOf("/");
  const [plugin, handler] = slash < 0 ? ["", text] : [text.slice(0, slash), text.slice(slash + 1)];
  if (HANDLER_NAME_PATTERN.test(handler) && (slash < 0 || plugin !== "")) return { handler, plugin };
  throw fieldFault(
    field,
    `${shown(text)} is not the name of a handler.`,
    'Names are like "python.report" or "ix-json.poll".',
  );
}

export function readTarget(text: string): Target {
  readHandler(text);
  return { kind: "handler", handler: text };
}

/** A schedule's name; empty means none. */
export function readName(name: string | undefined): string {
  if (name === undefined || name === "" || SCHEDULE_NAME_PATTERN.test(name)) return name ?? "";
  throw fieldFault(
    "name",
    `${shown(name)} cannot be a name.`,
    "Use letters, digits, dots, dashes, colons and underscores, starting with a letter or digit, at most 128.",
  );
}
