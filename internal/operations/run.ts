/**
 * Run: the one way into an operation. Validation, authorization and the audit
 * trail are here, so that no face and no operation can forget them.
 */
import { grantLine } from "../access/capability.ts";
import { principalName, tenantSeen } from "../access/principal.ts";
import type { Millis } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import type { AnyOperation, Context, Defined } from "./operation.ts";
import { parseInput } from "./parse-input.ts";
import { findOperation } from "./table.ts";

/** Runs an operation by its name, with input from outside. */
export async function callOperation(context: Context, name: string, input: unknown): Promise<unknown> {
  const operation = findOperation(name);
  if (!operation) {
    throw new Fault("not-found", `There is no operation ${JSON.stringify(name.slice(0, 80))}.`, {
      hint: "The caller and the host may be of different versions.",
    });
  }
  return runOperation(context, operation, input);
}

/** Runs an operation that the caller has in hand, with its answer typed. */
export function call<Input, Output>(
  context: Context,
  operation: Defined<Input, Output>,
  input: unknown,
): Promise<Output> {
  return runOperation(context, operation, input) as Promise<Output>;
}

async function runOperation(context: Context, operation: AnyOperation, input: unknown): Promise<unknown> {
  const startedAt = context.env.mono();
  let ok = false;
  try {
    const output = await audited(context, operation, input);
    ok = true;
    return output;
  } finally {
    metered(context, operation, { ok, startedAt });
  }
}

function metered(
  { env, principal, meter }: Context,
  { name }: AnyOperation,
  { ok, startedAt }: { ok: boolean; startedAt: Millis },
): void {
  const tenant = tenantSeen(principal) ?? "";
  meter?.({ operation: name, principal: principal.kind, tenant, ok, tookMs: env.mono() - startedAt });
}

async function audited(context: Context, operation: AnyOperation, input: unknown): Promise<unknown> {
  try {
    checkMayCall(context, operation);
    if (operation.byClock) refuseDoubt(context, operation);
    const parsed = operation.fits?.(input) ? input : parseInput(operation.input, input);
    if (operation.needsHost && !context.host) throw noHost(operation.name);
    const output = await operation.call(context, parsed);
    if (operation.changes) await audit(context, operation, { input, allowed: true, detail: "" });
    return output;
  } catch (error) {
    await noteRefusal(context, operation, { input, error });
    throw error;
  }
}

/**
 * Writes into the trail that somebody was refused: for lack of a capability, because a limit is
 * reached, or, where a plugin wants to change what it does not see, because that may be another's; so may a secret.
 * Other errors are none.
 */
export async function noteRefusal(
  context: Context,
  operation: AnyOperation,
  { input, error }: { input: unknown; error: unknown },
): Promise<void> {
  if (!(error instanceof Fault)) return;
  const notes = operation.changes || operation.notesMisses;
  const isHidden = error.code === "not-found" && notes && context.principal.kind === "plugin";
  if (error.code !== "denied" && !error.limit && !isHidden) return;
  await audit(context, operation, { input, allowed: false, detail: error.message });
}

/** Throws a Fault unless this principal may call the operation, and writes the refusal down. For services that answer from the store itself. */
export async function admit(context: Context, operation: AnyOperation, input: unknown): Promise<void> {
  const startedAt = context.env.mono();
  try {
    checkMayCall(context, operation);
  } catch (error) {
    metered(context, operation, { ok: false, startedAt }); // It comes no further.
    await noteRefusal(context, operation, { input, error });
    throw error;
  }
}

/** Throws a Fault unless this principal may call the operation. */
export function checkMayCall({ principal }: Pick<Context, "principal">, operation: AnyOperation): void {
  if (principal.kind !== "plugin") return;
  const { plugin: capability } = operation;
  if (capability && principal.capabilities.has(capability)) return;
  if (!capability) throw new Fault("denied", `Plugins may not call ${operation.name}.`);
  throw new Fault(
    "denied",
    `Plugin ${principal.plugin} lacks ${capability}, which ${operation.name} needs.`,
    { hint: `Grant it with: ${grantLine(principal.plugin, [capability])}` },
  );
}

function refuseDoubt({ host }: Context, { name }: AnyOperation): void {
  const { suspicion } = host?.clock ?? { suspicion: null };
  if (!suspicion) return;
  throw new Fault("conflict", `${name} waits until the clock is believed: ${suspicion.reason}.`, {
    hint: "Set the clock right; or, if it is: qntx doctor --confirm-clock",
  });
}

function noHost(name: string): Fault {
  return new Fault("unreachable", `No host runs on this data folder, and ${name} needs one.`, {
    hint: "Start one with: qntx serve",
  });
}

const AUDIT_DETAIL_CHARS_MAX = 1_000; // A trail, not a copy of every input.

async function audit(
  { store, env, principal, log, redact = (text) => text }: Context,
  operation: AnyOperation,
  { input, allowed, detail }: { input: unknown; allowed: boolean; detail: string },
): Promise<void> {
  try {
    await store.audit.add({
      id: newId(env, "AU"),
      principal: principalName(principal),
      operation: operation.name,
      subject: redact(subjectOf(input)),
      allowed,
      detail: redact(detail).slice(0, AUDIT_DETAIL_CHARS_MAX),
    });
  } catch (error) {
    log.error("an audit row could not be written", { operation: operation.name, error: messageOf(error) });
  }
}

/** What the call was about: the id or name in its input, with the key that belongs to it. */
function subjectOf(input: unknown): string {
  if (typeof input !== "object" || input === null) return "";
  const { name, key: of } = input as Record<string, unknown>;
  if (typeof name === "string" && typeof of === "string") return `${name} ${of}`.slice(0, 200);
  for (const key of ["id", "name", "handler"]) {
    const value = (input as Record<string, unknown>)[key];
    if (typeof value === "string") return value.slice(0, 200);
  }
  return "";
}
