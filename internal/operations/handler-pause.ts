/** Pausing a handler: its jobs stay in line until it is resumed, on every node and over every restart; those that run go on. */
import { z } from "zod";
import { principalName } from "../access/principal.ts";
import { Fault, shown } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";
import { handlerOfLane, partsOf } from "../job/lane.ts";
import { announcedHandler, savedHandlers, viewPause } from "./handler.ts";
import { type Context, operation } from "./operation.ts";
import { readHandler } from "./schedule-input.ts";

const NOTE_CHARS_MAX = 1_000;

export const handlerPause = operation({
  name: "handler.pause",
  summary: "Let the jobs of a handler wait until it is resumed",
  changes: true,
  input: z.strictObject({
    name: z.string(),
    note: z.string().max(NOTE_CHARS_MAX, `has more than ${NOTE_CHARS_MAX} characters.`).optional(),
  }),
  async run(context, { name, note }) {
    const handler = await resolveName(context, name);
    const by = principalName(context.principal);
    const pause = await context.store.limits.pause({ handler, by, note: note ?? "" });
    return { handler, pause: viewPause(pause), queued: await queuedOf(context, handler) };
  },
});

export const handlerResume = operation({
  name: "handler.resume",
  summary: "Let the jobs of a paused handler run again",
  changes: true,
  input: z.strictObject({ name: z.string() }),
  async run(context, { name }) {
    const handler = (await announcedHandler(context, name)) ?? name;
    readHandler(context, handler, "name");
    const resumed = await context.store.limits.resume(handler, principalName(context.principal));
    if (!resumed) throw await notPaused(context, handler);
    const queued = await queuedOf(context, handler);
    context.host?.jobsAdded(await lanesOf(context, handler));
    return { handler, queued };
  },
});

export const handlerPauseOperations = [handlerPause, handlerResume];

/** The handler as jobs name it. One that a running host has never heard of is a typing mistake. */
async function resolveName(context: Context, name: string): Promise<string> {
  const saved = await announcedHandler(context, name);
  if (saved !== null) return saved;
  readHandler(context, name, "name");
  if (!context.host || context.host.plugins.offers(name)) return name;
  const { items } = await context.store.jobs.list(
    { handler: partsOf(name).handler, tenant: partsOf(name).tenant },
    { limit: 1 },
  );
  if (items.length > 0) return name;
  throw new Fault(
    "not-found",
    `There is no handler ${shown(name)}: nobody offers it, and no job is for it.`,
    {
      hint: await whichHandler(context, name),
    },
  );
}

async function whichHandler(context: Context, name: string): Promise<string> {
  const announced = context.host?.plugins.statuses().flatMap(({ handlers }) => handlers) ?? [];
  const meant = nearest(name, [...announced, ...(await savedHandlers(context))]);
  return meant === undefined ? "qntx handler list and qntx plugin list show them." : `Did you mean ${meant}?`;
}

async function notPaused({ store }: Context, handler: string): Promise<Fault> {
  const pauses = await store.limits.pauses();
  const others = pauses.filter((pause) => handlerOfLane(pause.handler) === handlerOfLane(handler));
  const hint =
    others.length === 0
      ? "qntx handler list shows which are paused."
      : `Paused is ${others.map((pause) => pause.handler).join(", ")}.`;
  return new Fault("conflict", `Handler ${handler} is not paused.`, { hint });
}

async function lanesOf({ store }: Context, handler: string): Promise<string[]> {
  const lanes = (await store.jobs.queuedLanes()).map(({ lane }) => lane);
  return lanes.filter((lane) => lane === handler || handlerOfLane(lane) === handler);
}

async function queuedOf(context: Context, handler: string): Promise<number> {
  const lanes = await context.store.jobs.queuedLanes();
  return lanes
    .filter(({ lane }) => lane === handler || handlerOfLane(lane) === handler)
    .reduce((sum, { count }) => sum + count, 0);
}
