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
import type { Json, Locking } from "./qntx.ts";

/** What every new schedule may say. */
interface ScheduleSettings {
  name?: string;
  /** Handed to the handler, or sent to the endpoint: JSON of at most 100,000 bytes; null and undefined are none. */
  payload?: Json;
  /** Exactly one of every ("5m"), cron and at (ISO 8601 with offset). */
  every?: string;
  cron?: string;
  at?: string;
  timezone?: string;
  description?: string;
  metadata?: Record<string, string>;
  paused?: boolean;
  /** On several hosts: one of them runs it (require-global, as when absent), or each (node-local). */
  locking?: Locking;
  /** How long after its time a run must have started, and succeeded ("30s"): otherwise the host says so. */
  mustStartWithin?: string;
  mustSucceedWithin?: string;
  /** When the last run still goes on; "skip" when absent. */
  overlap?: "skip" | "buffer-one" | "buffer-all" | "cancel-other" | "terminate-other" | "allow";
  /** Of runs that nobody was there to start; "latest" when absent. */
  missed?: "latest" | "skip" | "earliest" | "all";
  /** What a run may take ("30s"), how often it is tried, and how long it waits in between, as a handler says it. */
  timeout?: string;
  maxAttempts?: number;
  retry?: string;
}

/** It runs one of the two: a handler, or one of the plugin's own routes: "POST /sync", or "/sync" where that has one method. */
export type NewSchedule = ScheduleSettings &
  ({ handler: string; endpoint?: undefined } | { endpoint: string; handler?: undefined });

/** What is absent stays; null takes away what need not be there. */
export interface ScheduleChange {
  handler?: string;
  endpoint?: string;
  every?: string;
  cron?: string;
  at?: string;
  timezone?: string | null;
  payload?: Json;
  description?: string | null;
  name?: string | null;
  locking?: Locking;
  /** Objectives, as for a new schedule. */
  mustStartWithin?: string | null;
  mustSucceedWithin?: string | null;
  overlap?: ScheduleSettings["overlap"] | null;
  missed?: ScheduleSettings["missed"] | null;
  timeout?: string | null;
  maxAttempts?: number | null;
  retry?: string | null;
  /** Refused when the schedule has changed since this revision. */
  revision?: number;
}

export interface Schedule {
  id: string;
  name: string;
  /** One of handler and endpoint is not empty. */
  handler: string;
  /** "POST /sync" */
  endpoint: string;
  payload: Json;
  every: string;
  cron: string;
  at: string;
  timezone: string;
  state: "active" | "paused" | "finished" | "deleted";
  pauseNote: string;
  nextRunAt: string;
  revision: number;
  description: string;
  metadata: Record<string, string>;
  createdAt: string;
  locking: Locking;
  /** Objectives; empty when nobody asks. */
  mustStartWithin: string;
  mustSucceedWithin: string;
  /** ISO 8601; empty when it never ran. */
  lastRunAt: string;
  /** The state of the last run's job: "completed", "retrying" … Empty when there was none, or it is not kept any more. */
  lastRunState: string;
  /** Why the last try of that job failed; empty when none did. */
  lastError: string;
  /** Occurrences that became a job, and failed runs since one completed. */
  runCount: number;
  failures: number;
  overlap: string;
  missed: string;
  /** Empty, and 0, where the host's default counts. */
  timeout: string;
  maxAttempts: number;
  retry: string;
}

/** One of the plugin's own routes below `/api/<plugin>`. */
export interface Endpoint {
  method: string;
  path: string;
  /** The name of the function that answers it. */
  handler: string;
  description: string;
  /** True when a schedule may call it. */
  schedulable: boolean;
}

/** Schedules of this plugin, at run time. Needs cap:scheduler.manage. What is refused is a HostError. */
export interface Scheduler {
  create(schedule: NewSchedule): Promise<Schedule>;
  /** Creates, or changes the schedule of this name. */
  upsert(schedule: NewSchedule & { name: string }): Promise<Schedule>;
  get(idOrName: string): Promise<Schedule | undefined>;
  list(filter?: { handler?: string; state?: string }): Promise<Schedule[]>;
  update(idOrName: string, change: ScheduleChange): Promise<Schedule>;
  pause(idOrName: string, note?: string): Promise<Schedule>;
  resume(idOrName: string): Promise<Schedule>;
  delete(idOrName: string): Promise<Schedule>;
  /** The plugin's own routes, by path. */
  getEndpoints(): Promise<Endpoint[]>;
}

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
