/**
 * Names: what Tab offers for the things that live in the data folder or the host.
 * Where there is no data folder yet nothing is offered: a Tab makes no files.
 */
import { existsSync } from "node:fs";
import type { BlackoutView } from "../../internal/operations/blackout.ts";
import type { BudgetView } from "../../internal/operations/budget.ts";
import type { HandlerView } from "../../internal/operations/handler.ts";
import type { JobView } from "../../internal/operations/job-view.ts";
import type { PluginView } from "../../internal/operations/plugin.ts";
import type { ScheduleView } from "../../internal/operations/schedule-view.ts";
import { type Client, openClient } from "./client.ts";
import type { Candidate, Complete, Globals } from "./command.ts";
import { openConfig } from "./settings.ts";
import type { World } from "./world.ts";

const NAMES_MAX = 200; // More than that nobody looks through.

/** Schedules by name, or by id where they have none. */
export const scheduleNames: Complete = named(async (client) => {
  const { schedules } = await client.call<{ schedules: ScheduleView[] }>("schedule.list", {
    limit: NAMES_MAX,
  });
  return schedules.map(({ id, name, state, handler }) => ({
    word: name || id,
    description: `${state}, runs ${handler}`,
  }));
});

/** Named blackouts. */
export const blackoutNames: Complete = named(async (client) => {
  const { blackouts } = await client.call<{ blackouts: BlackoutView[] }>("blackout.list", {
    limit: NAMES_MAX,
  });
  return blackouts.map(({ name, description }) => ({ word: name, description }));
});

/** Scopes that have a budget. */
export const budgetScopes: Complete = named(async (client) => {
  const { budgets } = await client.call<{ budgets: BudgetView[] }>("budget.list");
  return budgets.map(({ scope, limits }) => ({
    word: scope,
    description: limits.map(({ limit, amount }) => `${limit} ${amount}`).join(", "),
  }));
});

/** Ids of jobs, newest first. */
export const jobIds: Complete = named(async (client) => {
  const { jobs } = await client.call<{ jobs: JobView[] }>("job.list", { limit: NAMES_MAX });
  return jobs.map(({ id, state, handler }) => ({ word: id, description: `${state}, ${handler}` }));
});

/** Saved handlers, as they are announced. */
export const savedHandlers: Complete = named(async (client) => {
  const { handlers } = await client.call<{ handlers: HandlerView[] }>("handler.list");
  const saved = handlers.filter(({ lang }) => lang !== null);
  return saved.map(({ handler, lang }) => ({ word: handler, description: `saved script (${lang})` }));
});

/** Every handler that a job may name: saved ones, and what plugins announced. */
export const handlerNames: Complete = named(async (client) => {
  const { handlers } = await client.call<{ handlers: HandlerView[] }>("handler.list");
  const saved = handlers.flatMap(({ handler, lang }) =>
    lang === null ? [] : [{ word: handler, description: "saved script" }],
  );
  if (!client.live) return saved;
  const { plugins } = await client.call<{ plugins: PluginView[] }>("plugin.list");
  const known = new Set(saved.map(({ word }) => word));
  const announced = plugins.flatMap((plugin) =>
    plugin.handlers.map((word) => ({ word, description: `of plugin ${plugin.name}` })),
  );
  return [...saved, ...announced.filter(({ word }) => !known.has(word))];
});

/** Endpoints that schedules may call. */
export const endpointNames: Complete = named(async (client) => {
  if (!client.live) return [];
  const { plugins } = await client.call<{ plugins: PluginView[] }>("plugin.list");
  return plugins.flatMap(({ name, endpoints }) =>
    endpoints.flatMap(({ method, path, description, schedulable }) =>
      schedulable ? [{ word: `${name}/${method} ${path}`, description }] : [],
    ),
  );
});

/** Plugins of a running host. */
export const pluginNames: Complete = named(async (client) => {
  if (!client.live) return [];
  const { plugins } = await client.call<{ plugins: PluginView[] }>("plugin.list");
  return plugins.map(({ name, state }) => ({ word: name, description: state }));
});

/** Time zones, as the database spells them. */
export const zoneNames: Complete = async () =>
  ["UTC", ...Intl.supportedValuesOf("timeZone")].map((word) => ({ word }));

function named(find: (client: Client) => Promise<Candidate[]>): Complete {
  return async (world: World, globals: Globals) => {
    const { home } = await openConfig(world, globals);
    if (globals.server === undefined && !existsSync(home)) return [];
    await using client = await openClient(world, globals);
    return await find(client);
  };
}
