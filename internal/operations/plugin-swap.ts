/** Swap: what a new version of a plugin must still have before it may take the place of the old one. */
import { Fault } from "../base/fault.ts";
import type { PluginEndpoint } from "../access/principal.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import { lanesOfEndpoints } from "../pulse/registry.ts";
import { laneOfRuns } from "../schedule/run.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Context } from "./operation.ts";
import { label } from "./ownership.ts";

const PAGE_ROWS = 500;
const LISTED_MAX = 20;

/** What a version of a plugin says that it runs. */
export interface Offer {
  handlers: readonly { name: string }[];
  endpoints: readonly PluginEndpoint[];
}

/** Of the schedules that a plugin runs, those that would have nobody with these handlers and endpoints. What it declares itself, the new version declares anew. */
export async function lostSchedules(
  { store, host }: Pick<Context, "store" | "host">,
  { name, tenant, handlers, endpoints }: { name: string; tenant: string } & Offer,
): Promise<Schedule[]> {
  const kept = new Set([
    ...lanesOfEndpoints({ plugin: name, tenant }, endpoints),
    ...handlers.flatMap(({ name: handler }) => [
      laneOf({ tenant, handler }),
      laneOf({ tenant, plugin: name, handler }),
    ]),
  ]);
  const isRestated = ({ owner, declaredId }: Schedule) =>
    owner.kind === "plugin" && owner.name === name && declaredId !== "";
  const lost: Schedule[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await store.schedules.list({ tenant, state: "active" }, { limit: PAGE_ROWS, cursor });
    for (const schedule of page.items) {
      const lane = laneOfRuns(schedule);
      if (lane === null || kept.has(lane) || isRestated(schedule)) continue;
      if (host?.plugins.offers(lane)?.plugin === name) lost.push(schedule);
    }
    if (page.cursor === null) return lost;
    cursor = page.cursor;
  }
}

/** Throws a Fault with the list of them, when there are any. */
export function refuseLost(plugin: string, lost: readonly Schedule[]): void {
  if (lost.length === 0) return;
  const lines = lost
    .slice(0, LISTED_MAX)
    .map((schedule) => `${label(schedule)} runs ${laneOfRuns(schedule)}`);
  const more = lost.length > LISTED_MAX ? [`and ${lost.length - LISTED_MAX} more`] : [];
  throw new Fault(
    "conflict",
    `The new version of plugin ${plugin} lacks what schedules run:\n${[...lines, ...more].join("\n")}`,
    { hint: "The old one goes on. With --disable-missing these schedules are paused instead." },
  );
}

/** Pauses them: they would run nothing any more. Those that call endpoints are paused when the new version is ready. */
export async function pauseLost(
  { store, host }: Pick<Context, "store" | "host">,
  plugin: string,
  lost: readonly Schedule[],
): Promise<void> {
  const note = `the new version of plugin ${plugin} lacks its handler`;
  for (const { id, target } of lost)
    if (target.kind === "handler") await store.schedules.pause(id, { note, by: "host", until: null });
  if (lost.length > 0) host?.schedulesChanged();
}

/** Pauses what calls an endpoint that its plugin no longer has, and says so: each run would wait for ever. */
export async function pauseVanished(
  { store, host, log }: Pick<Context, "store" | "host" | "log">,
  { name, tenant, endpoints }: { name: string; tenant: string } & Pick<Offer, "endpoints">,
): Promise<void> {
  const kept = new Set(lanesOfEndpoints({ plugin: name, tenant }, endpoints));
  const vanished = (await store.schedules.callers({ plugin: name, tenant })).filter(
    (schedule) => !kept.has(laneOfRuns(schedule) ?? ""),
  );
  for (const schedule of vanished) {
    const { handler } = partsOf(laneOfRuns(schedule) ?? "");
    const note = `plugin ${name} no longer has ${handler} as an endpoint that schedules may call`;
    await store.schedules.pause(schedule.id, { note, by: "host", until: null });
    log.warn(`schedule ${label(schedule)} is paused: ${note}`);
  }
  if (vanished.length > 0) host?.schedulesChanged();
}
