/** HostService: what qntx offers to plugins beyond QNTX's services. */
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { AttestationFilter } from "../ats/attestation.ts";
import { attestationQuery } from "../operations/attestation.ts";
import { jobEnqueueMany } from "../operations/job.ts";
import type { Context } from "../operations/operation.ts";
import { resolveSchedule } from "../operations/reference.ts";
import { authorized, call } from "../operations/run.ts";
import {
  scheduleCreate,
  scheduleDelete,
  scheduleList,
  schedulePause,
  scheduleResume,
  scheduleShow,
  scheduleUpdate,
} from "../operations/schedule.ts";
import { viewSchedule, type ScheduleView } from "../operations/schedule-view.ts";
import type {
  AttestationFilterMessage,
  AttestationMessage,
  HostServiceServer,
  NewJobMessage,
  ScheduleMessage,
} from "../wire/host.ts";
import { statusOf, unary } from "./answer.ts";
import { readFilter } from "./attestations.ts";
import { byMetadata, type ServiceOptions } from "./door.ts";
import type { Watches } from "./watches.ts";

/** A proto3 text that was not set means: not given. */
const given = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

export function hostService(options: ServiceOptions, watches: Watches): HostServiceServer {
  const { log } = options;
  const message = async (context: Context, view: ScheduleView): Promise<ScheduleMessage> => {
    const { payload } = await resolveSchedule(context, view.id);
    return scheduleMessage(view, payload);
  };
  return {
    createSchedule: unary(log, "CreateSchedule", async (request, grpc) => {
      const context = byMetadata(options, grpc);
      const { name, handler, payload, every, cron, at, timezone, description, metadata, paused, upsert } =
        request;
      const times = { every: given(every), cron: given(cron), at: given(at), timezone: given(timezone) };
      const input = { name, handler, payload, ...definedOnly(times), description, metadata, paused, upsert };
      return message(context, await call(context, scheduleCreate, input));
    }),
    getSchedule: unary(log, "GetSchedule", async ({ id }, grpc) => {
      const context = byMetadata(options, grpc);
      authorized(context, scheduleShow);
      const schedule = await resolveSchedule(context, id);
      return scheduleMessage(viewSchedule(schedule), schedule.payload);
    }),
    listSchedules: unary(log, "ListSchedules", async ({ handler, state, limit, cursor }, grpc) => {
      const context = byMetadata(options, grpc);
      const input = {
        handler: given(handler),
        state: given(state),
        limit: limit || undefined,
        cursor: given(cursor),
      };
      const page = await call(context, scheduleList, definedOnly(input));
      return {
        schedules: await Promise.all(page.schedules.map((view) => message(context, view))),
        cursor: page.cursor ?? "",
      };
    }),
    updateSchedule: unary(log, "UpdateSchedule", async (request, grpc) => {
      const context = byMetadata(options, grpc);
      return message(context, await call(context, scheduleUpdate, definedOnly({ ...request })));
    }),
    pauseSchedule: unary(log, "PauseSchedule", async ({ id, note }, grpc) => {
      const context = byMetadata(options, grpc);
      return message(context, await call(context, schedulePause, { id, note }));
    }),
    resumeSchedule: unary(log, "ResumeSchedule", async ({ id }, grpc) => {
      const context = byMetadata(options, grpc);
      return message(context, await call(context, scheduleResume, { id }));
    }),
    deleteSchedule: unary(log, "DeleteSchedule", async ({ id }, grpc) => {
      const context = byMetadata(options, grpc);
      const { payload } = await resolveSchedule(context, id);
      return scheduleMessage(await call(context, scheduleDelete, { id }), payload);
    }),
    enqueue: unary(log, "Enqueue", async ({ jobs }, grpc) => {
      return call(byMetadata(options, grpc), jobEnqueueMany, { jobs: jobs.map(readJob) });
    }),
    watchAttestations(
      grpc: ServerWritableStream<{ filter: AttestationFilterMessage | undefined }, AttestationMessage>,
    ) {
      try {
        authorized(byMetadata(options, grpc), attestationQuery);
        const filter: AttestationFilter = readFilter(grpc.request.filter);
        watches.add(filter, grpc);
      } catch (error) {
        grpc.destroy(Object.assign(new Error(), statusOf(error, log, "WatchAttestations")));
      }
    },
  };
}

function readJob({
  id,
  handler,
  payload,
  priority,
  runAt,
  uniqueKey,
  maxAttempts,
  timeoutMs,
  parentId,
}: NewJobMessage) {
  return definedOnly({
    id: given(id),
    handler,
    payload,
    priority: priority || undefined,
    runAt: given(runAt),
    uniqueKey: given(uniqueKey),
    maxAttempts: maxAttempts || undefined,
    timeout: timeoutMs > 0 ? `${timeoutMs}ms` : undefined,
    parentId: given(parentId),
  });
}

function definedOnly(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function scheduleMessage(view: ScheduleView, payload: Uint8Array): ScheduleMessage {
  return {
    id: view.id,
    name: view.name,
    handler: view.handler ?? "",
    payload: Buffer.from(payload),
    every: view.every ?? "",
    cron: view.cron?.join("; ") ?? "",
    at: view.at?.join(", ") ?? "",
    timezone: view.timezone,
    state: view.state,
    pauseNote: view.pause?.note ?? "",
    nextRunAt: view.nextRunAt ?? "",
    revision: view.revision,
    description: view.description,
    metadata: view.metadata,
    createdAt: view.createdAt,
  };
}
