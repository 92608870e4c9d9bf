/**
 * Declared schedules: those that a plugin or the configuration file states, and
 * that exist as long as the statement does. One that is wrong refuses the whole
 * list, with a sentence that quotes it.
 */
import { Fault } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import type { Owner, Policy, Spec } from "../schedule/schedule.ts";
import { POLICY_DEFAULT, SCHEDULE_NAME_PATTERN } from "../schedule/schedule.ts";
import { parseWhen } from "../schedule/recurrence.ts";
import type { DeclaredChange, NewSchedule } from "../store/store.ts";
import type { Context } from "./operation.ts";
import { parseInput } from "./parse-input.ts";
import { payloadBytes } from "./payload.ts";
import { createInput, readTarget, readTimezone, SCHEDULE_PAYLOAD_BYTES_MAX } from "./schedule-input.ts";
import { readPolicyInput } from "./schedule-policy.ts";
import { recurrence } from "../schedule/recurrence.ts";
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
}

const LOCKINGS = ["require-global", "prefer-global", "node-local"] as const;

/** Makes the declared schedules of an owner so. Throws a Fault that names the wrong one; then nothing has changed. */
export async function declareSchedules(
  context: Context,
  owner: Owner,
  declarations: readonly Declaration[],
): Promise<DeclaredChange[]> {
  const seen = new Set<string>();
  const schedules = declarations.map((declaration) => {
    if (seen.has(declaration.id))
      throw new Fault("config", `Two schedules are declared with the id ${JSON.stringify(declaration.id)}.`);
    seen.add(declaration.id);
    return named(declaration, () => readDeclaration(context, owner, declaration));
  });
  const changes = await context.store.schedules.declare(owner, schedules);
  if (changes.length > 0) context.host?.schedulesChanged();
  return changes;
}

function readDeclaration({ env }: Context, owner: Owner, declaration: Declaration): NewSchedule {
  if (declaration.id === "") throw new Fault("config", "id: is missing.");
  const spec = typeof declaration.when === "string" ? parseWhen(declaration.when, "when") : declaration.when;
  const timezone = readTimezone(declaration.timezone || undefined, spec);
  const policy = readDeclaredPolicy(declaration);
  const every = recurrence({
    spec,
    timezone,
    anchor: env.now(),
    dstGap: policy.dstGap,
    dstFold: policy.dstFold,
  });
  if (spec.kind !== "at" && nextWithin(every, policy, env.now()) === null)
    throw new Fault("config", "when: never fires.");
  return {
    id: newId(env, "SC"),
    name: SCHEDULE_NAME_PATTERN.test(declaration.id) ? declaration.id : "",
    tenant: "",
    owner,
    declaredId: declaration.id,
    target: readTarget(declaration.handler),
    payload: payloadBytes(declaration.payload, "payload", SCHEDULE_PAYLOAD_BYTES_MAX),
    spec,
    timezone,
    policy,
    locking: readLocking(declaration.locking),
    paused: declaration.paused ? { note: "declared as paused", by: `${owner.kind}:${owner.name}` } : null,
    description: declaration.description,
    metadata: {},
  };
}

function readDeclaredPolicy({ missed, jitterMs }: Declaration): Policy {
  const shape = createInput.pick({ missed: true });
  const policy = readPolicyInput(parseInput(shape, missed === "" ? {} : { missed }), POLICY_DEFAULT);
  return { ...policy, jitterMs };
}

function readLocking(locking: string): (typeof LOCKINGS)[number] {
  const known = LOCKINGS.find((hint) => hint === (locking || "require-global"));
  if (known) return known;
  throw new Fault("config", `locking: ${JSON.stringify(locking)} is none of ${LOCKINGS.join(", ")}.`);
}

/** Puts the declaration's id and text in front of what is wrong with it. */
function named<T>(declaration: Declaration, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const text = typeof declaration.when === "string" ? ` (${JSON.stringify(declaration.when)})` : "";
    throw new Fault("config", `Schedule ${JSON.stringify(declaration.id)}${text}: ${error.message}`, {
      hint: error.hint,
    });
  }
}
