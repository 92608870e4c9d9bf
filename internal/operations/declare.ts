/**
 * Declared schedules: those that a plugin or the configuration file states, and
 * that exist as long as the statement does. One that is wrong refuses the whole
 * list, with a sentence that quotes it.
 */
import { formatDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { JOB_TIMEOUT_MAX_MS } from "../job/job.ts";
import type { Owner, Policy, Spec } from "../schedule/schedule.ts";
import { type LocksBy, refuseUnlockable } from "../schedule/lock.ts";
import { type Locking, LOCKINGS, POLICY_DEFAULT, SCHEDULE_NAME_PATTERN } from "../schedule/schedule.ts";
import { parseWhen, type Recurrence, recurrence } from "../schedule/recurrence.ts";
import type { DeclaredChange, NewSchedule } from "../store/store.ts";
import type { Context } from "./operation.ts";
import { parseInput } from "./parse-input.ts";
import { payloadBytes } from "./payload.ts";
import { createInput, readTarget, readTimezone, SCHEDULE_PAYLOAD_BYTES_MAX } from "./schedule-input.ts";
import { checkObjective, readPolicyInput, refuseImpossible } from "./schedule-policy.ts";
import { nextWithin } from "../schedule/decide.ts";

/** A schedule as it is declared. `when` is an interval, a cron expression, a shortcut, or a spec that was read already. */
export interface Declaration {
  id: string;
  description: string;
  handler: string;
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
  const seen = new Set<string>();
  const schedules = declarations.map((declaration) => {
    if (seen.has(declaration.id))
      throw new Fault("config", `Two schedules are declared with the id ${shown(declaration.id)}.`);
    seen.add(declaration.id);
    return named(declaration, () => readDeclaration(context, owner, declaration));
  });
  const changes = await context.store.schedules.declare(owner, schedules);
  if (changes.length > 0) context.host?.schedulesChanged();
  return changes;
}

function readDeclaration({ env, store }: Context, owner: Owner, declaration: Declaration): NewSchedule {
  const { id, description, handler } = declaration;
  checkId(id);
  const spec = typeof declaration.when === "string" ? parseWhen(declaration.when, "when") : declaration.when;
  const timezone = readTimezone(declaration.timezone || undefined, spec);
  const policy = readDeclaredPolicy(declaration);
  const times = { spec, timezone, anchor: env.now(), dstGap: policy.dstGap, dstFold: policy.dstFold };
  if (spec.kind !== "at") checkRuns(recurrence(times), policy, env.now());
  return {
    id: newId(env, "SC"),
    name: SCHEDULE_NAME_PATTERN.test(id) ? id : "",
    tenant: "",
    owner,
    declaredId: id,
    target: readTarget(handler),
    payload: payloadBytes(declaration.payload, "payload", SCHEDULE_PAYLOAD_BYTES_MAX),
    spec,
    timezone,
    policy,
    locking: readLocking(store.locksBy, declaration.locking),
    paused: declaration.paused ? { note: "declared as paused", by: `${owner.kind}:${owner.name}` } : null,
    description: parseInput(createInput.pick({ description: true }), { description }).description ?? "",
    metadata: {},
  };
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
function checkRuns(plan: Recurrence, policy: Policy, now: Millis): void {
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

function readLocking(by: LocksBy, locking: string): Locking {
  const known = LOCKINGS.find((hint) => hint === (locking || "require-global"));
  if (known) refuseUnlockable(by, known);
  if (known) return known;
  throw fieldFault("locking", `${shown(locking)} is none of ${LOCKINGS.join(", ")}.`);
}

/** Puts the declaration's id and text in front of what is wrong with it. */
function named<T>(declaration: Declaration, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const text = typeof declaration.when === "string" ? ` (${shown(declaration.when)})` : "";
    throw new Fault("config", `Schedule ${shown(declaration.id)}${text}: ${error.message}`, {
      hint: error.hint,
    });
  }
}
