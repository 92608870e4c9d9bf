/**
 * Entry: a schedule as a document states it. The fields are those of `schedule create`,
 * in a fixed order, without those that say what is the default anyway; two schedules
 * are the same when their fields are.
 *
 * A payload is written as JSON where that gives back the same bytes, else as text, else
 * in base64.
 */
import type { Json } from "../ats/attestation.ts";
import { formatDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import { formatRetry } from "../base/retry.ts";
import { ownSpans } from "../schedule/named-blackout.ts";
import { type Owner, type Policy, POLICY_DEFAULT, type Schedule } from "../schedule/schedule.ts";
import { ownerText } from "./ownership.ts";

/** Fields by name, in the order in which they are written. */
export type Fields = Record<string, Json>;

/** What a document states about a schedule: everything that makes it fire as it does. */
export type Definition = Pick<
  Schedule,
  "target" | "payload" | "spec" | "timezone" | "policy" | "locking" | "description" | "metadata"
> & {
  name: string;
  /** Null: the moment at which it is made. */
  anchor: Millis | null;
};

/** The whole entry of a schedule that exists. `home` is the owner that need not be said. */
export function entryOf(schedule: Schedule, home: Owner): Fields {
  const { owner, declaredId, tenant, pause, state, policy, runCount } = schedule;
  const { name, ...rest } = definitionFields(schedule);
  const runsDone = policy.runsMax !== null && runCount > 0 ? runCount : null;
  return told({
    id: schedule.id,
    name: name ?? null,
    owner: ownerText(owner) === ownerText(home) ? null : ownerText(owner),
    declaredId: declaredId || null,
    tenant: tenant || null,
    ...rest,
    runsDone,
    paused: pause && pauseFields(pause),
    finished: state === "finished" ? true : null,
  });
}

/** The fields that say how it fires; what they do not mention has its default. */
export function definitionFields(definition: Definition): Fields {
  const { name, target, spec, timezone, anchor, description, metadata, locking, payload } = definition;
  const one = <T extends Json>(list: readonly T[]): Json =>
    list.length === 1 ? (list[0] ?? null) : [...list];
  return told({
    name: name || null,
    handler: target.kind === "handler" ? target.handler : null,
    endpoint: target.kind === "endpoint" ? target.endpoint : null,
    agent: target.kind === "agent" ? target.agent : null,
    description: description || null,
    every: spec.kind === "every" ? formatDuration(spec.everyMs) : null,
    cron: spec.kind === "cron" ? one(spec.cron) : null,
    at: spec.kind === "at" ? one(spec.instants.map(formatInstant)) : null,
    timezone: timezone === "UTC" ? null : timezone,
    anchor: spec.kind === "every" && anchor !== null ? formatInstant(anchor) : null,
    ...payloadFields(payload),
    ...policyFields(definition.policy),
    locking: locking === "require-global" ? null : locking,
    metadata: Object.keys(metadata).length === 0 ? null : metadata,
  });
}

/** A pause as a document states it. */
export function pauseFields(pause: { note: string; by: string; until: Millis | null }): Fields {
  return told({
    note: pause.note || null,
    by: pause.by,
    until: pause.until === null ? null : formatInstant(pause.until),
  });
}

/** How each part of a policy is written. Whoever adds a part is told by the compiler to say so here. */
const POLICY_WRITERS: { readonly [K in keyof Policy]: (value: Policy[K], policy: Policy) => Fields } = {
  startAt: (at) => ({ startAt: at === null ? null : formatInstant(at) }),
  endAt: (at) => ({ endAt: at === null ? null : formatInstant(at) }),
  runsMax: (runsMax) => ({ runsMax }),
  jitterMs: (ms) => ({ jitter: formatDuration(ms) }),
  overlap: (overlap) => ({ overlap }),
  missed: (missed) => ({ missed }),
  missedMax: (missedMax) => ({ missedMax }),
  missedWindowMs: (ms) => ({ missedWindow: formatDuration(ms) }),
  latenessMaxMs: (ms) => ({ maxLateness: formatDuration(ms) }),
  dstGap: (dstGap) => ({ dstGap }),
  dstFold: (dstFold) => ({ dstFold }),
  blackoutNames: (_, policy) => ({ blackouts: blackoutFields(policy) }),
  blackouts: (_, policy) => ({ blackouts: blackoutFields(policy) }),
  pauseAfterFailures: (pauseAfterFailures) => ({ pauseAfterFailures }),
  mustStartWithinMs: (ms) => ({ mustStartWithin: ms === null ? null : formatDuration(ms) }),
  mustSucceedWithinMs: (ms) => ({ mustSucceedWithin: ms === null ? null : formatDuration(ms) }),
  timeoutMs: (ms) => ({ timeout: ms === null ? null : formatDuration(ms) }),
  maxAttempts: (maxAttempts) => ({ maxAttempts }),
  retry: (retry) => ({ retry: retry && formatRetry(retry) }),
  priority: (priority) => ({ priority }),
};

function policyFields(policy: Policy): Fields {
  const keys = Object.keys(POLICY_WRITERS) as (keyof Policy)[];
  return Object.assign({}, ...keys.map((key) => policyField(policy, key))) as Fields;
}

function policyField<K extends keyof Policy>(policy: Policy, key: K): Fields {
  const isDefault = JSON.stringify(policy[key]) === JSON.stringify(POLICY_DEFAULT[key]);
  return isDefault ? {} : POLICY_WRITERS[key](policy[key], policy);
}

function blackoutFields(policy: Policy): Json {
  const spans = ownSpans(policy).map(({ from, to, note }) =>
    told({ from: formatInstant(from), to: formatInstant(to), note: note || null }),
  );
  return [...policy.blackoutNames, ...spans];
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function payloadFields(payload: Uint8Array): Fields {
  if (payload.length === 0) return {};
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return { payloadBase64: Buffer.from(payload).toString("base64") };
  }
  const value = jsonOf(text);
  return value === null ? { payloadText: text } : { payload: value };
}

/** The JSON that a text is, if a document gives back the very same text; null when it does not. */
function jsonOf(text: string): Json {
  try {
    const value = JSON.parse(text) as Json;
    if (JSON.stringify(value) !== text || troubleWith(value) !== null) return null;
    return JSON.stringify(Bun.YAML.parse(Bun.YAML.stringify(value))) === text ? value : null;
  } catch {
    return null; // No JSON, or nested deeper than a document can be.
  }
}

const DEPTH_MAX = 100; // Deeper than this is no document of a person's.
const NODES_MAX = 1_000_000; // With references, a short text can stand for an endless one.

/** Why a value cannot be kept as JSON, as the end of a sentence; null when it can. */
export function troubleWith(value: unknown): string | null {
  let nodes = 0;
  const look = (part: unknown, depth: number): string | null => {
    nodes += 1;
    if (nodes > NODES_MAX || depth > DEPTH_MAX) return "is nested too deep, or stands for too much";
    if (typeof part === "number")
      return isKept(part) ? null : `has the number ${part}, which may stand for another one`;
    if (typeof part !== "object" || part === null) return null;
    for (const inner of Object.values(part)) {
      const trouble = look(inner, depth + 1);
      if (trouble !== null) return trouble;
    }
    return null;
  };
  return look(value, 0);
}

/** Whole numbers beyond 2^53 may have lost digits when they were read. */
function isKept(number: number): boolean {
  return Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number));
}

/** Without what is null. */
function told(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
