/**
 * Scheduler: schedules that a plugin makes at run time, for its handlers and for its own
 * routes. In a change, a field that is absent stays as it is, and one that is null is
 * taken away: on the wire that is a field which is there, and empty.
 */
import {
  HostServiceService as Service,
  type Schedule as WireSchedule,
  type UpdateScheduleRequest,
} from "../../proto/gen/qntx/v1/host.ts";
import type { Ask } from "./call.ts";
import { fromBytes, toBytes } from "./codec.ts";
import { checkGiven, type Kind } from "./given.ts";
import { HostError } from "./host-error.ts";
import type { NewSchedule, Schedule, ScheduleChange, Scheduler } from "./qntx.ts";

const PAGE = 200; // Schedules per call when listing.

/** Makes it from a way to ask the host. */
export function createScheduler(ask: Ask): Scheduler {
  const create = async (schedule: NewSchedule, upsert: boolean) =>
    readSchedule(await ask(Service.createSchedule, { ...wireSchedule(schedule), upsert }));
  return {
    create: (schedule) => create(schedule, false),
    upsert: (schedule) => create(schedule, true),
    async get(id) {
      try {
        return readSchedule(await ask(Service.getSchedule, { id }));
      } catch (error) {
        if (error instanceof HostError && error.code === "not-found") return undefined;
        throw error;
      }
    },
    async list({ handler = "", state = "" } = {}) {
      const schedules: Schedule[] = [];
      let cursor = "";
      do {
        const request = { handler, state, limit: PAGE, cursor };
        const page = await ask(Service.listSchedules, request);
        schedules.push(...page.schedules.map(readSchedule));
        cursor = page.cursor;
      } while (cursor !== "");
      return schedules;
    },
    update: async (id, change) =>
      readSchedule(await ask(Service.updateSchedule, { id, ...wireChange(change) })),
    pause: async (id, note = "") => readSchedule(await ask(Service.pauseSchedule, { id, note })),
    resume: async (id) => readSchedule(await ask(Service.resumeSchedule, { id })),
    delete: async (id) => readSchedule(await ask(Service.deleteSchedule, { id })),
    getEndpoints: async () => (await ask(Service.getEndpoints, {})).endpoints,
  };
}

const SAID = {
  handler: "text",
  endpoint: "text",
  name: "text",
  payload: "json",
  every: "text",
  cron: "text",
  at: "text",
  timezone: "text",
  description: "text",
  locking: "text",
  mustStartWithin: "text",
  mustSucceedWithin: "text",
  overlap: "text",
  missed: "text",
  timeout: "text",
  maxAttempts: "small",
  retry: "text",
} as const;
const NEW: Readonly<Record<keyof NewSchedule, Kind>> = { ...SAID, metadata: "words", paused: "flag" };
const CHANGE: Readonly<Record<keyof ScheduleChange, Kind>> = { ...SAID, revision: "small" };

function wireSchedule(schedule: NewSchedule) {
  checkGiven("a new schedule", schedule, NEW);
  return {
    name: schedule.name ?? "",
    handler: schedule.handler ?? "",
    endpoint: schedule.endpoint ?? "",
    payload: toBytes(schedule.payload ?? undefined),
    every: schedule.every ?? "",
    cron: schedule.cron ?? "",
    at: schedule.at ?? "",
    timezone: schedule.timezone ?? "",
    description: schedule.description ?? "",
    metadata: schedule.metadata ?? {},
    paused: schedule.paused ?? false,
    locking: schedule.locking ?? "",
    mustStartWithin: schedule.mustStartWithin ?? "",
    mustSucceedWithin: schedule.mustSucceedWithin ?? "",
    overlap: schedule.overlap ?? "",
    missed: schedule.missed ?? "",
    timeout: schedule.timeout ?? "",
    maxAttempts: schedule.maxAttempts ?? 0,
    retry: schedule.retry ?? "",
  };
}

function wireChange(change: ScheduleChange): Omit<UpdateScheduleRequest, "id"> {
  checkGiven("a change of a schedule", change, CHANGE);
  const { payload, maxAttempts, revision, ...texts } = change;
  const said = Object.entries(texts).map(([field, text]) => [field, text === null ? "" : text]);
  return {
    ...Object.fromEntries(said),
    ...(payload !== undefined && { payload: toBytes(payload ?? undefined) }),
    ...(maxAttempts !== undefined && { maxAttempts: maxAttempts ?? 0 }),
    revision,
  };
}

function readSchedule(schedule: WireSchedule): Schedule {
  const { payload, state, locking } = schedule;
  return { ...schedule, payload: fromBytes(payload), state: readState(state), locking: readLocking(locking) };
}

/** A host from before there was a choice says nothing, and does what is the default. */
function readLocking(locking: string): Schedule["locking"] {
  if (locking === "") return "require-global";
  if (locking === "node-local" || locking === "require-global" || locking === "prefer-global") return locking;
  throw new HostError(
    "INTERNAL",
    `The host says that the locking of a schedule is ${JSON.stringify(locking)}.`,
  );
}

function readState(state: string): Schedule["state"] {
  if (state === "active" || state === "paused" || state === "finished" || state === "deleted") return state;
  throw new HostError("INTERNAL", `The host says that a schedule is ${JSON.stringify(state)}.`);
}
