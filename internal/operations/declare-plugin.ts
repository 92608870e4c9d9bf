/**
 * What a plugin declares, made so as far as the plugin may: to have schedules at all
 * it needs the same capability as to make them by calls, and so do handlers of others.
 * Schedules that call endpoints which it no longer has are paused.
 */
import { type Principal, tenantSeen } from "../access/principal.ts";
import { UNLIMITED } from "../access/quota.ts";
import type { Watcher } from "../ats/watcher.ts";
import { laneOf } from "../job/lane.ts";
import type { DeclaredChange } from "../store/schedules.ts";
import { type Declaration, declareSchedules } from "./declare.ts";
import type { Context } from "./operation.ts";
import { type Offer, pauseVanished } from "./plugin-swap.ts";
import { refuseForeignHandler } from "./reference.ts";
import { admit, noteRefusal } from "./run.ts";
import { scheduleCreate } from "./schedule.ts";
import { readTarget } from "./schedule-input.ts";

export interface PluginDeclarations extends Offer {
  schedules: readonly Declaration[];
  watchers: readonly Omit<Watcher, "plugin" | "tenant" | "queueDepth">[];
}

/** Throws a Fault that says what is wrong, or what the plugin lacks; then nothing has changed. */
export async function declareOfPlugin(
  context: Context,
  name: string,
  { schedules, handlers, endpoints, watchers }: PluginDeclarations,
): Promise<DeclaredChange[]> {
  if (schedules.length > 0) await admit(context, scheduleCreate, {});
  const announced = new Set(handlers.map((handler) => handler.name));
  for (const { handler } of schedules) {
    const { tenant, target } = readTarget(context, handler);
    const lane = laneOf({ tenant, handler: target.handler });
    // Its own are not registered yet; but a name that another plugin has, stays with that one.
    if (announced.has(handler) && !context.host?.plugins.offers(lane)) continue;
    refuseForeignHandler(context, lane);
  }
  const changes = await declared(context, name, schedules);
  await context.store.watchers.declare(name, sharedOut(context.principal, watchers));
  await pauseVanished(context, { name, tenant: tenantSeen(context.principal) ?? "", endpoints });
  return changes;
}

/** What is too much is written into the trail, as it is where a plugin calls. */
async function declared(
  context: Context,
  name: string,
  schedules: readonly Declaration[],
): Promise<DeclaredChange[]> {
  try {
    return await declareSchedules(context, { kind: "plugin", name }, schedules);
  } catch (error) {
    await noteRefusal(context, scheduleCreate, { input: {}, error });
    throw error;
  }
}

/** Watchers make jobs without asking: together no more than their plugin might enqueue a second, and none while its queue is full. */
function sharedOut(
  principal: Principal,
  watchers: PluginDeclarations["watchers"],
): Omit<Watcher, "plugin">[] {
  const [all, queueDepth] =
    principal.kind === "plugin"
      ? [principal.quota.jobsPerSecond, principal.quota.queueDepth]
      : [UNLIMITED, UNLIMITED];
  const each = Math.max(1, Math.floor(all / Math.max(1, watchers.length)));
  const tenant = tenantSeen(principal) ?? "";
  return watchers.map((watcher) => ({
    ...watcher,
    tenant,
    firesPerSecondMax: Math.min(watcher.firesPerSecondMax, each),
    queueDepth,
  }));
}
