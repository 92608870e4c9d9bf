/**
 * Host: what a plugin may ask of the program that runs it. One address serves
 * all services; the token of this process goes with every call.
 */
import {
  HostServiceService as Service,
  type Schedule as WireSchedule,
} from "../../proto/gen/qntx/v1/host.ts";
import { createAttestations } from "./attestations.ts";
import { type Ask, asking, HostError } from "./call.ts";
import { Channel, type Clock } from "./channel.ts";
import { fromBytes, toBytes } from "./codec.ts";
import { enqueuing, type EnqueueStream } from "./enqueuing.ts";
import { createLocks } from "./locks.ts";
import type { Host, JobLog, NewSchedule, Schedule, Scheduler } from "./qntx.ts";
import { createQueue } from "./queue.ts";
import { createWeb } from "./web.ts";

export const MESSAGE_BYTES_MAX = 104_857_600; // 100 MiB, as QNTX allows.
const PAGE = 200; // Schedules per call when listing.

/** The real world. */
export const CLOCK: Clock = {
  mono: () => performance.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};

/** What Initialize told: where the host is and who we are to it. */
export interface HostAddress {
  address: string;
  token: string;
  config: Record<string, string>;
}

/** What is not asked of the host, and the job stream that is open to it, if one is. */
export interface HostParts {
  log: JobLog;
  setJobs: Host["setJobs"];
  stream?: () => EnqueueStream | undefined;
}

export interface HostClient {
  host: Host;
  close(): void;
}

/** Connects (lazily) to the host. */
export function connectHost(
  { address, token, config }: HostAddress,
  { log, setJobs, stream = () => undefined }: HostParts,
): HostClient {
  // Without an address every call fails with UNAVAILABLE and says where it tried.
  const channel = new Channel(CLOCK, { address: address || "127.0.0.1:1", bytesMax: MESSAGE_BYTES_MAX });
  const headers = { authorization: `Bearer ${token}` };
  const ask = asking(channel, headers);
  return {
    host: {
      config: Object.freeze({ ...config }),
      log,
      scheduler: createScheduler(ask),
      queue: createQueue(enqueuing(ask, stream)),
      ats: createAttestations({ ask, channel, headers, token, log }),
      locks: createLocks(ask),
      http: createWeb(ask, token),
      setJobs,
    },
    close: () => channel.close(),
  };
}

function createScheduler(ask: Ask): Scheduler {
  const create = async (schedule: NewSchedule, upsert: boolean) =>
    readSchedule(await ask(Service.createSchedule, { ...wireSchedule(schedule), upsert }));
  return {
    create: (schedule) => create(schedule, false),
    upsert: (schedule) => create(schedule, true),
    async get(id) {
      try {
        return readSchedule(await ask(Service.getSchedule, { id }));
      } catch (error) {
        if (error instanceof HostError && error.code === "NOT_FOUND") return undefined;
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
    async update(id, { payload, ...change }) {
      const request = { ...change, id, ...(payload === undefined ? {} : { payload: toBytes(payload) }) };
      return readSchedule(await ask(Service.updateSchedule, request));
    },
    pause: async (id, note = "") => readSchedule(await ask(Service.pauseSchedule, { id, note })),
    resume: async (id) => readSchedule(await ask(Service.resumeSchedule, { id })),
    delete: async (id) => readSchedule(await ask(Service.deleteSchedule, { id })),
  };
}

function wireSchedule(schedule: NewSchedule) {
  return {
    name: schedule.name ?? "",
    handler: schedule.handler,
    payload: toBytes(schedule.payload),
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
