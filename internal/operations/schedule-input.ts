/**
 * What people and plugins may say about a schedule, checked and turned into our
 * own words. Cron texts and zones are read by `schedule/`, which owns their rules.
 */
import { z } from "zod";
import type { Env } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { ID_PATTERN } from "../base/id.ts";
import { parseInstant } from "../base/instant.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import { TENANT_PATTERN } from "../plugin/install.ts";
import { HANDLER_NAME_PATTERN } from "../plugin/plugin.ts";
import { cronSpec, parseEvery } from "../schedule/recurrence.ts";
import {
  AT_INSTANTS_MAX,
  LOCKINGS,
  SCHEDULE_NAME_PATTERN,
  type Spec,
  type Target,
} from "../schedule/schedule.ts";
import { parseTimezone } from "../schedule/zone.ts";
import type { Context } from "./operation.ts";
import { policyShape } from "./schedule-policy.ts";

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

const describeShape = {
  locking: z.enum(LOCKINGS, `must be one of ${LOCKINGS.join(", ")}.`).optional(),
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
  handler: z.string().optional(),
  /** In place of a handler: an HTTP route of a plugin, "demo/POST /sync"; a plugin leaves itself out. */
  endpoint: z.string().optional(),
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
  endpoint: z.string().optional(),
  ...whenShape,
  ...policyShape,
  ...describeShape,
  revision: z.int().optional(),
});

export type WhenInput = Pick<z.infer<typeof createInput>, "every" | "cron" | "at" | "timezone">;

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

/** Reads a handler as somebody wrote it, `[tenant@][plugin/]python.report`. A plugin's are those of its own tenant. */
export function readHandler(
  { principal }: Pick<Context, "principal">,
  text: string,
  field = "handler",
): { handler: string; plugin: string; tenant: string } {
  const { tenant, plugin, handler } = partsOf(text);
  const isNamed = HANDLER_NAME_PATTERN.test(handler) && laneOf({ tenant, plugin, handler }) === text;
  if (!isNamed || (tenant !== "" && !TENANT_PATTERN.test(tenant)))
    throw fieldFault(
      field,
      `${shown(text)} is not the name of a handler.`,
      'Names are like "python.report", or "acme@python.report" for one of a tenant.',
    );
  if (principal.kind !== "plugin") return { handler, plugin, tenant };
  if (tenant === "" || tenant === principal.tenant) return { handler, plugin, tenant: principal.tenant };
  throw fieldFault(field, `${shown(text)} is another tenant's.`, "Name a handler without its tenant.");
}

/** What a schedule is for, and whose it is. */
export function readTarget(
  context: Pick<Context, "principal">,
  text: string,
): { target: Extract<Target, { kind: "handler" }>; tenant: string } {
  const { tenant, plugin, handler } = readHandler(context, text);
  return { target: { kind: "handler", handler: laneOf({ plugin, handler }) }, tenant };
}

/** A schedule's name; empty means none. */
export function readName(name: string | undefined): string {
  if (name !== undefined && ID_PATTERN.test(name))
    throw fieldFault("name", `${shown(name)} is an id, and would be taken for that one.`, "Choose a name.");
  if (name === undefined || name === "" || SCHEDULE_NAME_PATTERN.test(name)) return name ?? "";
  throw fieldFault(
    "name",
    `${shown(name)} cannot be a name.`,
    "Use letters, digits, dots, dashes, colons and underscores, starting with a letter or digit, at most 128.",
  );
}
