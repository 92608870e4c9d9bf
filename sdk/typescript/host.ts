/**
 * Host: what a plugin may ask of the program that runs it. One address serves
 * all services; the token of this process goes with every call.
 */
import { credentials, Metadata } from "@grpc/grpc-js";
import { ATSStoreServiceClient } from "../../proto/gen/protocol/atsstore.ts";
import { HostServiceClient, type Schedule as WireSchedule } from "../../proto/gen/qntx/v1/host.ts";
import { LockServiceClient } from "../../proto/gen/qntx/v1/lock.ts";
import { createAttestations } from "./attestations.ts";
import { ask, HostError } from "./call.ts";
import { fromBytes, toBytes } from "./codec.ts";
import { createLocks } from "./locks.ts";
import type { Host, JobLog, NewSchedule, Schedule, Scheduler } from "./qntx.ts";
import { createQueue } from "./queue.ts";

export const MESSAGE_BYTES_MAX = 104_857_600; // 100 MiB, as QNTX allows.
const PAGE = 200; // Schedules per call when listing.

/** What Initialize told: where the host is and who we are to it. */
export interface HostAddress {
  address: string;
  token: string;
  config: Record<string, string>;
}

export interface HostClient {
  host: Host;
  close(): void;
}

/** Connects (lazily) to the host. */
export function connectHost(
  { address, token, config }: HostAddress,
  { log, setJobs }: { log: JobLog; setJobs: Host["setJobs"] },
): HostClient {
  const options = {
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  };
  // Without an address every call fails with UNAVAILABLE and says where it tried.
  const target = address || "127.0.0.1:1";
  const service = new HostServiceClient(target, credentials.createInsecure(), options);
  const ats = new ATSStoreServiceClient(target, credentials.createInsecure(), options);
  const locks = new LockServiceClient(target, credentials.createInsecure(), options);
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return {
    host: {
      config: Object.freeze({ ...config }),
      log,
      scheduler: createScheduler(service, metadata),
      queue: createQueue(service, metadata),
      ats: createAttestations({ ats, service, metadata, token, log }),
      locks: createLocks(locks, metadata),
      setJobs,
    },
    close() {
      service.close();
      locks.close();
      ats.close();
    },
  };
}

function createScheduler(client: HostServiceClient, metadata: Metadata): Scheduler {
  const create = async (schedule: NewSchedule, upsert: boolean) =>
    readSchedule(
      await ask(client.createSchedule.bind(client), { ...wireSchedule(schedule), upsert }, metadata),
    );
  return {
    create: (schedule) => create(schedule, false),
    upsert: (schedule) => create(schedule, true),
    async get(id) {
      try {
        return readSchedule(await ask(client.getSchedule.bind(client), { id }, metadata));
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
        const page = await ask(client.listSchedules.bind(client), request, metadata);
        schedules.push(...page.schedules.map(readSchedule));
        cursor = page.cursor;
      } while (cursor !== "");
      return schedules;
    },
    async update(id, { payload, ...change }) {
      const request = { ...change, id, ...(payload === undefined ? {} : { payload: toBytes(payload) }) };
      return readSchedule(await ask(client.updateSchedule.bind(client), request, metadata));
    },
    pause: async (id, note = "") =>
      readSchedule(await ask(client.pauseSchedule.bind(client), { id, note }, metadata)),
    resume: async (id) => readSchedule(await ask(client.resumeSchedule.bind(client), { id }, metadata)),
    delete: async (id) => readSchedule(await ask(client.deleteSchedule.bind(client), { id }, metadata)),
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
