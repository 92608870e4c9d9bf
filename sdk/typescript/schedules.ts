/**
 * Schedules: what a plugin declares, in the form that travels. Only what the wire
 * cannot carry is refused here; whether it means anything is for the host to say.
 */
import { DeclaredSchedule } from "../../proto/gen/qntx/v1/plugin.ts";
import { toBytes } from "./codec.ts";
import { handlerName, PluginError } from "./names.ts";
import type { DeclaredSchedule as Declared, PluginDefinition } from "./qntx.ts";

const INT32_MAX = 2_147_483_647;

/** Reads what a definition declares. Rejects with a PluginError that names the schedule and its field. */
export async function readSchedules(
  plugin: string,
  { schedules = [] }: Pick<PluginDefinition, "schedules">,
): Promise<DeclaredSchedule[]> {
  const list: unknown = typeof schedules === "function" ? await schedules() : schedules;
  if (!Array.isArray(list)) throw new PluginError(`The schedules of plugin ${plugin} are no list.`);
  return list.map((schedule: unknown, index) => {
    if (isDeclared(schedule)) return readSchedule(plugin, schedule);
    throw new PluginError(`Schedule no. ${index + 1} of plugin ${plugin} has no id.`);
  });
}

/** Reads a priority: a whole number, lower starts first. Throws a PluginError. */
export function readPriority(whose: string, priority: unknown): number {
  return whole(`The priority of ${whose}`, priority, INT32_MAX);
}

/** A misspelt field would do nothing, silently. */
const FIELDS: Record<keyof Declared, true> = {
  id: true,
  handler: true,
  when: true,
  timezone: true,
  description: true,
  jitterMs: true,
  missed: true,
  locking: true,
  payload: true,
  paused: true,
  priority: true,
  timeoutMs: true,
  mustStartWithinMs: true,
  mustSucceedWithinMs: true,
};

function readSchedule(plugin: string, schedule: Declared): DeclaredSchedule {
  const { id, handler, when, priority } = schedule;
  const which = `schedule ${JSON.stringify(id)} of plugin ${plugin}`;
  const text = (field: keyof Declared): string => {
    const value: unknown = schedule[field] ?? "";
    if (typeof value === "string") return value;
    throw new PluginError(`${field} of ${which} is ${JSON.stringify(value)}; it must be a text.`);
  };
  const unknown = Object.keys(schedule).filter((key) => !Object.hasOwn(FIELDS, key));
  if (unknown.length > 0)
    throw new PluginError(
      `The ${which} has no field ${unknown.join(", ")}. It has ${Object.keys(FIELDS).join(", ")}.`,
    );
  if (!handler) throw new PluginError(`The ${which} has no handler.`);
  if (!when) throw new PluginError(`The ${which} has no when. Add one, like when: "5m".`);
  return DeclaredSchedule.create({
    id,
    handler: handlerName(plugin, text("handler")),
    when: text("when"),
    description: text("description"),
    timezone: text("timezone"),
    jitterMs: whole(`jitterMs of ${which}`, schedule.jitterMs ?? 0),
    missed: text("missed"),
    locking: text("locking"),
    payload: payloadOf(which, schedule),
    paused: schedule.paused === true,
    priority: priority === undefined ? undefined : readPriority(which, priority),
    timeoutMs: whole(`timeoutMs of ${which}`, schedule.timeoutMs ?? 0),
    mustStartWithinMs: whole(`mustStartWithinMs of ${which}`, schedule.mustStartWithinMs ?? 0),
    mustSucceedWithinMs: whole(`mustSucceedWithinMs of ${which}`, schedule.mustSucceedWithinMs ?? 0),
  });
}

function payloadOf(which: string, { payload }: Declared): Buffer {
  try {
    return toBytes(payload);
  } catch (error) {
    throw new PluginError(`The payload of ${which} cannot be sent.`, { cause: error });
  }
}

function whole(what: string, value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= max) return value;
  throw new PluginError(`${what} is ${JSON.stringify(value)}; it must be a whole number.`);
}

function isDeclared(value: unknown): value is Declared {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string";
}
