/**
 * Target: what a schedule runs, as somebody wrote it: a handler, or an endpoint of a
 * plugin. A plugin names its own endpoints, "POST /sync", and they are those of the very
 * process that asks; a person puts the plugin in front, "demo/POST /sync".
 */
import { grantLine } from "../access/capability.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import { endpointName, findEndpoint, parseEndpoint } from "../plugin/endpoint.ts";
import { TENANT_PATTERN } from "../plugin/install.ts";
import { PLUGIN_NAME_PATTERN } from "../plugin/plugin.ts";
import { laneOfRuns } from "../schedule/run.ts";
import type { Schedule, Target } from "../schedule/schedule.ts";
import type { Context } from "./operation.ts";
import { label } from "./ownership.ts";
import { refuseForeignHandler } from "./reference.ts";
import { readTarget } from "./schedule-input.ts";

export interface TargetInput {
  handler?: string | undefined;
  endpoint?: string | undefined;
}

/** A target, and whose it is. */
export interface OwnedTarget {
  target: Target;
  tenant: string;
}

const WRITTEN_SO = 'Write it like "demo/POST /sync": the plugin, and one of its own routes.';

/** Reads what a schedule is to run, where the caller may have that run; undefined when nothing was said. */
export function readGivenTarget(context: Context, input: TargetInput): OwnedTarget | undefined {
  refuseBoth(input);
  if (input.endpoint !== undefined) return readEndpoint(context, input.endpoint);
  if (input.handler === undefined) return undefined;
  const named = readTarget(context, input.handler);
  refuseForeignHandler(context, laneOf({ tenant: named.tenant, handler: named.target.handler }));
  return named;
}

/** The same where something must be said. */
export function requireTarget(context: Context, input: TargetInput): OwnedTarget {
  const named = readGivenTarget(context, input);
  if (named) return named;
  throw missing();
}

/** Reads a target that nobody can look up now: an endpoint must be written in full. */
export function readWrittenTarget(input: TargetInput): OwnedTarget {
  refuseBoth(input);
  if (input.handler !== undefined) return readTarget({ principal: { kind: "host" } }, input.handler);
  if (input.endpoint === undefined) throw missing();
  const { tenant, plugin, rest } = splitEndpoint(input.endpoint);
  const { method, path } = parseEndpoint(rest);
  if (method === null)
    throw fieldFault("endpoint", `${shown(input.endpoint)} says neither GET nor POST.`, WRITTEN_SO);
  return { target: endpointTarget(plugin, { method, path }), tenant };
}

/** Another target for the same tenant's schedule; without one before it, it is the schedule's. */
export function readSameTarget(
  context: Context,
  input: TargetInput,
  { tenant }: Pick<Schedule, "tenant">,
): Target | undefined {
  const named = readGivenTarget(context, input);
  if (!named || named.tenant === "" || named.tenant === tenant) return named?.target;
  const [field, text] =
    input.endpoint === undefined ? ["handler", input.handler] : ["endpoint", input.endpoint];
  throw fieldFault(
    field,
    `${shown(text)} is of another tenant than the schedule.`,
    "Make a schedule for it.",
  );
}

/** A payload that would never be sent is refused rather than passed over. */
export function refuseUnsent({ target, payload }: Pick<Schedule, "target" | "payload">): void {
  if (target.kind !== "endpoint" || payload.length === 0) return;
  const { handler } = partsOf(target.endpoint);
  if (handler.startsWith("GET "))
    throw fieldFault("payload", `has nowhere to go: ${handler} is asked without a body.`, "POST has one.");
}

/** Throws a Fault when a schedule calls what its plugin, as it runs now, does not have. */
export function refuseVanished({ host }: Pick<Context, "host">, schedule: Schedule): void {
  const lane = schedule.target.kind === "endpoint" ? laneOfRuns(schedule) : null;
  if (lane === null || !host) return;
  const { plugin, handler } = partsOf(lane);
  const runs = host.plugins.statuses().some(({ name, state }) => name === plugin && state === "ready");
  if (!runs || host.plugins.offers(lane)) return;
  throw new Fault(
    "conflict",
    `Schedule ${label(schedule)} calls ${handler}, which plugin ${plugin} does not have.`,
    {
      hint: `Give it another one with: qntx schedule update ${schedule.name || schedule.id} --endpoint "${plugin}/POST /…"`,
    },
  );
}

function refuseBoth({ handler, endpoint }: TargetInput): void {
  if (handler !== undefined && endpoint !== undefined)
    throw fieldFault("endpoint", "cannot be given together with handler.", "A schedule runs one of them.");
}

function missing(): Fault {
  return fieldFault("handler", "is missing: the handler that runs, or an endpoint.");
}

function readEndpoint({ principal, host }: Context, text: string): OwnedTarget {
  if (principal.kind === "plugin") {
    const { plugin, tenant, capabilities, endpoints = [] } = principal;
    if (!capabilities.has("cap:http.serve"))
      throw new Fault("denied", `Plugin ${plugin} lacks cap:http.serve, and its endpoints are not called.`, {
        hint: `Grant it with: ${grantLine(plugin, ["cap:http.serve"])}`,
      });
    return { target: endpointTarget(plugin, findEndpoint(plugin, endpoints, text)), tenant };
  }
  if (!host) return readWrittenTarget({ endpoint: text });
  const { plugin, tenant, rest } = splitEndpoint(text);
  const status = host.plugins.statuses().find(({ name }) => name === plugin);
  if (!status || (tenant !== "" && tenant !== status.tenant))
    throw fieldFault("endpoint", `There is no plugin ${shown(plugin)}.`, "qntx plugin list shows them.");
  return {
    target: endpointTarget(plugin, findEndpoint(plugin, status.endpoints, rest)),
    tenant: status.tenant,
  };
}

/** `[tenant@]demo/POST /sync`, or `demo/sync`. */
function splitEndpoint(text: string): { tenant: string; plugin: string; rest: string } {
  const { tenant, plugin, handler } = partsOf(text);
  const isTenant = tenant === "" || TENANT_PATTERN.test(tenant);
  if (!isTenant || !PLUGIN_NAME_PATTERN.test(plugin) || handler === "")
    throw fieldFault("endpoint", `${shown(text)} names no endpoint of a plugin.`, WRITTEN_SO);
  return { tenant, plugin, rest: /^[A-Za-z]+\s/.test(handler) ? handler : `/${handler}` };
}

function endpointTarget(plugin: string, endpoint: { method: string; path: string }): Target {
  return { kind: "endpoint", endpoint: laneOf({ plugin, handler: endpointName(endpoint) }) };
}
