/**
 * Lane: the line that a job stands in, `[tenant@][plugin/]handler`. It says whose job it
 * is, which plugin it was addressed to where one was named, and what it asks for. People
 * write handlers the same way.
 */

export interface Address {
  /** Empty: the host's own. */
  tenant?: string | undefined;
  /** Empty: whichever plugin has the name. */
  plugin?: string | undefined;
  handler: string;
}

/** The lane of a job, or of a handler as somebody offers it. */
export function laneOf({ tenant = "", plugin = "", handler }: Address): string {
  const named = plugin === "" ? handler : `${plugin}/${handler}`;
  return tenant === "" ? named : `${tenant}@${named}`;
}

/** The parts of a lane, or of a handler as somebody wrote it. Neither tenants nor plugins have `@` or `/` in their names; endpoints may have both. */
export function partsOf(lane: string): { tenant: string; plugin: string; handler: string } {
  const slash = lane.indexOf("/");
  const sign = lane.indexOf("@");
  const at = slash < 0 || sign < slash ? sign : -1;
  return {
    tenant: lane.slice(0, Math.max(0, at)),
    plugin: slash < 0 ? "" : lane.slice(at + 1, slash),
    handler: lane.slice((slash < 0 ? at : slash) + 1),
  };
}

/** The handler of a lane, whichever plugin its jobs were addressed to: what limits are for. */
export function handlerOfLane(lane: string): string {
  const { tenant, handler } = partsOf(lane);
  return laneOf({ tenant, handler });
}
