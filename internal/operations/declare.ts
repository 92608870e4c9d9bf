/**
 * Declared schedules: those that a plugin or the configuration file states, and
 * that exist as long as the statement does. One that is wrong refuses the whole
 * list, with a sentence that quotes it.
 */
import { z } from "zod";
import { formatDuration } from "../base/duration.ts";
import type { Env, Millis } from "../base/env.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import type { FileSchedule } from "../config/file-schedule.ts";
import { JOB_TIMEOUT_MAX_MS } from "../job/job.ts";
import type { Owner, Policy, Spec } from "../schedule/schedule.ts";
import { refuseUnlockable } from "../schedule/lock.ts";
import {
  AT_INSTANTS_MAX,
  type Locking,
  LOCKINGS,
  POLICY_DEFAULT,
  SCHEDULE_NAME_PATTERN,
} from "../schedule/schedule.ts";
import { checkEvery, cronSpec, parseWhen, recurrence } from "../schedule/recurrence.ts";
import type { DeclaredChange, NewSchedule } from "../store/schedules.ts";
import type { Context } from "./operation.ts";
import { parseInput } from "./parse-input.ts";
import { payloadBytes } from "./payload.ts";
import { createInput, readTarget, readTimezone, SCHEDULE_PAYLOAD_BYTES_MAX } from "./schedule-input.ts";
import {
  checkObjective,
  policyShape,
  readPolicyInput,
  refuseImpossible,
  withNamedSpans,
} from "./schedule-policy.ts";
import { changesOf, refuseOften, schedulePayload } from "./schedule-quota.ts";
import { nextWithin } from "../schedule/decide.ts";
import { type OwnedTarget, readWrittenTarget, refuseUnsent } from "./schedule-target.ts";

/** A schedule as it is declared. `when` is an interval, a cron expression, a shortcut, or a spec that was read already. */
export interface Declaration {
  id: string;
  description: string;
  handler: string;
  /** In place of a handler, as a file may say it; absent or empty: none. */
  endpoint?: string;
  when: string | Spec;
  timezone: string;
  jitterMs: number;
  /** Empty means the default. */
  missed: string;
  /** Empty means the default. */
  locking: string;
  payload: unknown;
  paused: boolean;
  /** Of the runs that are due at the same moment, lower numbers start first. */
  priority: number;
  /** What a run may take; 0 means that nothing was said. */
  timeoutMs: Millis;
  /** Objectives; 0 means that nobody asks. */
  mustStartWithinMs: Millis;
  mustSucceedWithinMs: Millis;
  /** Further fields of `schedule create`, as somebody wrote them into a file. */
  more?: Readonly<Record<string, unknown>>;
  /** Where it stands in a file, and where its fields do; absent for a plugin's. */
  where?: string;
  places?: Readonly<Record<string, string>>;
}

export const DECLARED_MAX = 1_000; // Of one plugin or file: a list that somebody still reads; more are made at run time.
const DECLARED_ID_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9._:-]{0,127}$/;
const RUNS_COMPARED = 16; // With jitter: enough to see the shortest time between two runs of any usual expression.

/** Makes the declared schedules of an owner so. Throws a Fault that names the wrong one; then nothing has changed. */
export async function declareSchedules(
  context: Context,
  owner: Owner,
  declarations: readonly Declaration[],
): Promise<DeclaredChange[]> {
  if (declarations.length > DECLARED_MAX)
    throw new Fault("config", `${declarations.length} schedules are declared; there may be ${DECLARED_MAX}.`);
  const schedules = await readAll(declarations, async (declaration) => {
    const schedule = readDeclaration(context, owner, declaration);
    refuseUnlockable(context.store.locksBy, schedule.locking);
    const policy = await withNamedSpans(context, schedule.policy);
    const { spec, timezone } = schedule;
    if (spec.kind !== "at") checkRuns({ spec, timezone }, policy, context.env.now());
    refuseOften(context, schedule);
    return schedule;
  });
  const changes = await changesOf(context).declare(owner, schedules);
  if (changes.length > 0) context.host?.schedulesChanged();
  return changes;
}

/** Checks declarations without a store: all but what needs one. Throws a Fault that names the wrong ones. */
export async function checkDeclarations(
  env: Env,
  owner: Owner,
  declarations: readonly Declaration[],
): Promise<void> {
  await readAll(declarations, async (declaration) => {
    const { spec, timezone, policy } = readDeclaration({ env, ...ANYBODY }, owner, declaration);
    if (spec.kind !== "at") checkRuns({ spec, timezone }, policy, env.now());
  });
}

/** Reads each; what is wrong with those of a file is said together, each with its line. */
async function readAll<T>(
  declarations: readonly Declaration[],
  read: (declaration: Declaration) => Promise<T>,
): Promise<T[]> {
  const seen = new Set<string>();
  const faults: Fault[] = [];
  const all: T[] = [];
  for (const declaration of declarations) {
    if (seen.has(declaration.id))
      throw new Fault("config", `Two schedules are declared with the id ${shown(declaration.id)}.`);
    seen.add(declaration.id);
    try {
      all.push(await read(declaration));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(...faultsOf(declaration, error).map((fault) => namedFault(declaration, fault)));
    }
  }
  const [first] = faults;
  if (!first) return all;
  if (faults.length === 1 || declarations[0]?.where === undefined) throw first;
  const fields = faults.flatMap((fault) => fault.fields);
  throw new Fault("config", `The schedules have ${fields.length} mistakes.`, { fields });
}

const ANYBODY = { principal: { kind: "host" } } as const;

/** Everything that is wrong with a declaration by itself, or what was `thrown` if that is something else. */
function faultsOf(declaration: Declaration, thrown: Fault): Fault[] {
  const { id, when, timezone, payload, locking } = declaration;
  const parts: (() => unknown)[] = [
    () => checkId(id),
    () => readDeclaredTarget(ANYBODY, declaration),
    () => readTimezone(timezone || undefined, readWhen(when)),
    () => readMore(declaration),
    () => payloadBytes(payload, "payload", SCHEDULE_PAYLOAD_BYTES_MAX),
    () => readLocking(locking),
  ];
  const faults = parts.flatMap((part) => faultIn(part) ?? []);
  return faults.length > 0 ? faults : [thrown];
}

function faultIn(read: () => unknown): Fault | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

function readDeclaration(
  context: Pick<Context, "env" | "principal">,
  owner: Owner,
  declaration: Declaration,
): NewSchedule {
  const { id, description } = declaration;
  checkId(id);
  const { target, tenant } = readDeclaredTarget(context, declaration);
  const spec = readWhen(declaration.when);
  const timezone = readTimezone(declaration.timezone || undefined, spec);
  const { policy, note, metadata } = readMore(declaration);
  const payload = schedulePayload(context, declaration.payload);
  refuseUnsent({ target, payload });
  return {
    id: newId(context.env, "SC"),
    name: SCHEDULE_NAME_PATTERN.test(id) ? id : "",
    tenant,
    owner,
    declaredId: id,
    target,
    payload,
    spec,
    timezone,
    policy,
    locking: readLocking(declaration.locking),
    paused: declaration.paused ? { note, by: `${owner.kind}:${owner.name}` } : null,
    description: parseInput(createInput.pick({ description: true }), { description }).description ?? "",
    metadata,
  };
}

/** What it runs. Nobody can look an endpoint up: the plugins have not started. */
function readDeclaredTarget(
  context: Pick<Context, "principal">,
  { handler, endpoint }: Pick<Declaration, "handler" | "endpoint">,
): OwnedTarget {
  if (!endpoint) return readTarget(context, handler);
  return readWrittenTarget({ endpoint, handler: handler || undefined });
}

/** Policies, why it is paused, and labels. */
function readMore(declaration: Declaration): {
  policy: Policy;
  note: string;
  metadata: Record<string, string>;
} {
  const more = parseInput(moreInput, declaration.more);
  if (more.note !== undefined && !declaration.paused)
    throw fieldFault("note", "has no effect on a schedule that is not paused.", "Write paused = true.");
  const policy = readPolicyInput(more, readDeclaredPolicy(declaration));
  return { policy, note: more.note ?? "declared as paused", metadata: more.metadata ?? {} };
}

/** What a file may say beyond what a plugin declares. */
const moreInput = z.strictObject({
  ...createInput.pick({ note: true, metadata: true }).shape,
  ...policyShape,
});

function readWhen(when: string | Spec): Spec {
  return typeof when === "string" ? parseWhen(when, "when") : checkSpec(when);
}

/** A spec whose shape alone was looked at. */
function checkSpec(spec: Spec): Spec {
  if (spec.kind === "cron") return cronSpec(spec.cron, "cron");
  if (spec.kind === "every")
    return { ...spec, everyMs: checkEvery(spec.everyMs, "every", formatDuration(spec.everyMs)) };
  const { length } = spec.instants;
  if (length === 0 || length > AT_INSTANTS_MAX)
    throw fieldFault("at", `a schedule cannot have ${length} instants.`, `Give 1 to ${AT_INSTANTS_MAX}.`);
  return { kind: "at", instants: [...new Set(spec.instants)].toSorted((a, b) => a - b) };
}

function checkId(id: string): void {
  if (DECLARED_ID_PATTERN.test(id)) return;
  throw fieldFault(
    "id",
    id === "" ? "is missing." : `${shown(id)} cannot be a schedule's id.`,
    "Use letters, digits, dots, dashes, colons and underscores, at most 128.",
  );
}

/** It runs at all, and no run may wait for its jitter until the next one is due. */
function checkRuns(when: Pick<NewSchedule, "spec" | "timezone">, policy: Policy, now: Millis): void {
  const plan = recurrence({ ...when, anchor: now, dstGap: policy.dstGap, dstFold: policy.dstFold });
  let run = nextWithin(plan, policy, now);
  if (run === null) throw fieldFault("when", "never fires.");
  if (policy.jitterMs === 0) return;
  for (let i = 0; i < RUNS_COMPARED; i++) {
    const next = plan.next(run);
    if (next === null) return;
    if (policy.jitterMs >= next - run) throw longJitter(policy.jitterMs, next - run);
    run = next;
  }
}

function longJitter(jitterMs: Millis, gapMs: Millis): Fault {
  const [jitter, gap] = [formatDuration(jitterMs), formatDuration(gapMs)];
  return fieldFault(
    "jitter",
    `${jitter} is not shorter than the ${gap} between two runs.`,
    "A run starts late by up to the jitter, and before the next one.",
  );
}

function readDeclaredPolicy({ missed, jitterMs, priority, timeoutMs, ...objectives }: Declaration): Policy {
  const said = parseInput(createInput.pick({ missed: true, priority: true }), {
    priority,
    ...(missed !== "" && { missed }),
  });
  const policy = readPolicyInput(said, POLICY_DEFAULT);
  const timeout = duration("timeout", timeoutMs, JOB_TIMEOUT_MAX_MS);
  const jitter = duration("jitter", jitterMs, Number.MAX_SAFE_INTEGER);
  const { mustStartWithinMs: start, mustSucceedWithinMs: succeed } = objectives;
  const declared = {
    ...policy,
    jitterMs: jitter,
    timeoutMs: timeout === 0 ? null : timeout,
    mustStartWithinMs: start === 0 ? null : checkObjective(start, "mustStartWithin"),
    mustSucceedWithinMs: succeed === 0 ? null : checkObjective(succeed, "mustSucceedWithin"),
  };
  refuseImpossible(declared);
  return declared;
}

/** Milliseconds as they came over the wire. */
function duration(field: string, ms: Millis, maxMs: Millis): Millis {
  if (Number.isSafeInteger(ms) && ms >= 0 && ms <= maxMs) return ms;
  throw fieldFault(field, `${ms} ms is out of range.`, `Give 0 to ${formatDuration(maxMs)}.`);
}

function readLocking(locking: string): Locking {
  const known = LOCKINGS.find((hint) => hint === (locking || "require-global"));
  if (known) return known;
  throw fieldFault("locking", `${shown(locking)} is none of ${LOCKINGS.join(", ")}.`);
}

/** The Fault with the declaration's place, id and text in front of what is wrong with it. */
function namedFault({ id, when, where, places }: Declaration, fault: Fault): Fault {
  const { message, hint, fields, limit } = fault;
  const text = typeof when === "string" ? ` (${shown(when)})` : "";
  const subject = `Schedule ${shown(id)}${text}`;
  const said = fields.map(({ field, message: wrong }) => ({
    field: places?.[field.split(/[.[]/)[0] ?? ""] ?? where ?? "schedules",
    message: `${subject}: ${field}: ${wrong}${hint ? ` ${hint}` : ""}`,
  }));
  const place = where === undefined ? "" : `${said[0]?.field ?? where}: `;
  const code = limit ? fault.code : "config";
  return new Fault(code, `${place}${subject}: ${message}`, { hint, fields: said, limit });
}

/** What `[[schedule]]` in a configuration file declares. */
export function declarationsOf(schedules: readonly FileSchedule[]): Declaration[] {
  return schedules.map(({ spec, ...schedule }) => ({
    ...schedule,
    when: spec,
    jitterMs: 0,
    missed: "",
    priority: 0,
    timeoutMs: 0,
  }));
}

/** Who owns what the configuration file declares. */
export const FILE_OWNER: Owner = { kind: "file", name: "qntx.toml" };
