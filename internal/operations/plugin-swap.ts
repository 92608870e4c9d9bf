/** Swap: what a new version of a plugin must still have before it may take the place of the old one. */
import { Fault } from "../base/fault.ts";
import { laneOf } from "../job/lane.ts";
import { laneOfRuns } from "../schedule/run.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Context } from "./operation.ts";
import { label } from "./ownership.ts";

const PAGE_ROWS = 500;
const LISTED_MAX = 20;

interface Next {
  name: string;
  tenant: string;
  handlers: readonly { name: string }[];
  /** True: schedules that would run nothing any more are paused instead of refused. */
  disableMissing: boolean;
}

/** Throws a Fault with the list of schedules whose handler the new version does not have. */
export async function refuseLostHandlers(context: Context, next: Next): Promise<void> {
  const lost = await lostBy(context, next);
  if (lost.length === 0) return;
  if (next.disableMissing) {
    for (const { id } of lost) await pauseLost(context, id, next.name);
    return;
  }
  const lines = lost
    .slice(0, LISTED_MAX)
    .map((schedule) => `${label(schedule)} runs ${laneOfRuns(schedule)}`);
  const more = lost.length > LISTED_MAX ? [`and ${lost.length - LISTED_MAX} more`] : [];
  throw new Fault(
    "conflict",
    `The new version of plugin ${next.name} lacks handlers that schedules run:\n${[...lines, ...more].join("\n")}`,
    { hint: "The old one goes on. With --disable-missing these schedules are paused instead." },
  );
}

/** Of the schedules that this plugin's handlers run, those that would have nobody. */
async function lostBy({ store, host }: Context, { name, tenant, handlers }: Next): Promise<Schedule[]> {
  const kept = new Set(
    handlers.flatMap(({ name: handler }) => [
      laneOf({ tenant, handler }),
      laneOf({ tenant, plugin: name, handler }),
    ]),
  );
  const lost: Schedule[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await store.schedules.list({ tenant, state: "active" }, { limit: PAGE_ROWS, cursor });
    for (const schedule of page.items) {
      const lane = laneOfRuns(schedule);
      if (lane !== null && !kept.has(lane) && host?.plugins.offers(lane)?.plugin === name)
        lost.push(schedule);
    }
    if (page.cursor === null) return lost;
    cursor = page.cursor;
  }
}

async function pauseLost({ store, host }: Context, id: string, plugin: string): Promise<void> {
  const note = `the new version of plugin ${plugin} lacks its handler`;
  await store.schedules.pause(id, { note, by: "host", until: null });
  host?.schedulesChanged();
}
