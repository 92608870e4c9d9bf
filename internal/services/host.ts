/** HostService: what qntx offers to plugins beyond QNTX's services. */
import { status } from "@grpc/grpc-js";
import type { ServedStream } from "../../sdk/typescript/server.ts";
import { formatDuration } from "../base/duration.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import { attestationQuery } from "../operations/attestation.ts";
import { jobEnqueueMany } from "../operations/job.ts";
import type { Context } from "../operations/operation.ts";
import { resolveSchedule } from "../operations/reference.ts";
import { admit, call, checkMayCall } from "../operations/run.ts";
import {
  scheduleCreate,
  scheduleDelete,
  scheduleList,
  schedulePause,
  scheduleResume,
  scheduleShow,
  scheduleUpdate,
} from "../operations/schedule.ts";
import { secretGet } from "../operations/secret.ts";
import { pluginContext } from "../operations/plugin-context.ts";
import { pluginEndpoints } from "../operations/plugin.ts";
import type { ScheduleView } from "../operations/schedule-view.ts";
import type {
  AttestationMessage,
  CreateScheduleMessage,
  EnqueueMessage,
  HostServiceServer,
  NewJobMessage,
  ScheduleMessage,
  UpdateScheduleMessage,
  WatchAttestationsMessage,
} from "../wire/host.ts";
import { endWith, refusalOf, unary } from "./answer.ts";
import { readFilter } from "./attestations.ts";
import { byHeader, byToken, type ServiceOptions } from "./door.ts";
import type { Watches } from "./watches.ts";

/** A proto3 text that was not set means: not given. */
const given = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

export function hostService(options: ServiceOptions, watches: Watches): HostServiceServer {
  return {
    ...scheduling(options),
    getContext: unary(options, pluginContext, (context) => call(context, pluginContext, {})),
    enqueue: unary(options, jobEnqueueMany, enqueue),
    getSecret: unary(options, secretGet, (context, { name }) => call(context, secretGet, { name })),
    watchAttestations(request, stream) {
      watch(options, watches, { request, stream }).catch((error: unknown) =>
        endWith(stream, error, options.log),
      );
    },
  };
}

/** `Enqueue` for whoever holds the token, for calls that come by the job stream. Never rejects. */
export async function enqueueFor(options: ServiceOptions, token: string, request: EnqueueMessage) {
  try {
    const response = await enqueue(byToken(options, token), request);
    return { response, code: "", message: "", faults: undefined };
  } catch (error) {
    const { code, details, faults } = refusalOf(error, options.log, jobEnqueueMany.name);
    return { response: undefined, code: status[code] ?? "", message: details, faults };
  }
}

function enqueue(context: Context, { jobs }: EnqueueMessage) {
  return call(context, jobEnqueueMany, { jobs: jobs.map(readJob) });
}

async function watch(
  options: ServiceOptions,
  watches: Watches,
  {
    request,
    stream,
  }: { request: WatchAttestationsMessage; stream: ServedStream<unknown, AttestationMessage> },
): Promise<void> {
  const context = byHeader(options, stream);
  await admit(context, attestationQuery, {});
  const { principal: reader } = context;
  const check = () => checkMayCall(byHeader(options, stream), attestationQuery);
  watches.add({ filter: readFilter(context, request.filter), reader, check }, stream);
}

type Scheduling =
  | "createSchedule"
  | "getSchedule"
  | "listSchedules"
  | "updateSchedule"
  | "pauseSchedule"
  | "resumeSchedule"
  | "deleteSchedule"
  | "getEndpoints";

function scheduling(options: ServiceOptions): Pick<HostServiceServer, Scheduling> {
  return {
    createSchedule: unary(options, scheduleCreate, async (context, request) =>
      message(context, await call(context, scheduleCreate, readCreate(request))),
    ),
    getSchedule: unary(options, scheduleShow, async (context, { id }) =>
      message(context, await call(context, scheduleShow, { id })),
    ),
    listSchedules: unary(options, scheduleList, async (context, { handler, state, limit, cursor }) => {
      const input = {
        handler: given(handler),
        state: given(state),
        limit: limit || undefined,
        cursor: given(cursor),
      };
      const page = await call(context, scheduleList, definedOnly(input));
      const schedules = await Promise.all(page.schedules.map((view) => message(context, view)));
      return { schedules, cursor: page.cursor ?? "" };
    }),
    updateSchedule: unary(options, scheduleUpdate, async (context, request) =>
      message(context, await call(context, scheduleUpdate, readUpdate(request))),
    ),
    pauseSchedule: unary(options, schedulePause, async (context, { id, note }) =>
      message(context, await call(context, schedulePause, { id, note })),
    ),
    resumeSchedule: unary(options, scheduleResume, async (context, { id }) =>
      message(context, await call(context, scheduleResume, { id })),
    ),
    deleteSchedule: unary(options, scheduleDelete, async (context, { id }) =>
      message(context, await call(context, scheduleDelete, { id })),
    ),
    getEndpoints: unary(options, pluginEndpoints, (context) => call(context, pluginEndpoints, {})),
  };
}

async function message(context: Context, view: ScheduleView): Promise<ScheduleMessage> {
  const { payload } = await resolveSchedule(context, view.id);
  return scheduleMessage(context, view, payload);
}

/** What is empty was not said. */
function readCreate({ maxAttempts, metadata, paused, upsert, payload, ...texts }: CreateScheduleMessage) {
  const said = Object.entries(texts).map(([field, text]) => [field, given(text)]);
  const more = { metadata, paused, upsert, payload, maxAttempts: maxAttempts || undefined };
  return definedOnly({ ...Object.fromEntries(said), ...more });
}

/** What is absent stays; what is part of a policy and empty has its default again. */
function readUpdate(request: UpdateScheduleMessage): Record<string, unknown> {
  const cleared = POLICY_FIELDS.flatMap((field) =>
    request[field] || request[field] === undefined ? [] : [field],
  );
  return definedOnly({ ...request, ...Object.fromEntries(cleared.map((field) => [field, null])) });
}

const POLICY_FIELDS = [
  "mustStartWithin",
  "mustSucceedWithin",
  "overlap",
  "missed",
  "timeout",
  "maxAttempts",
  "retry",
] as const;

/** What is not given stays undefined: a call brings thousands of these, and taking keys out again costs more than reading them. */
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
  retry,
  concurrencyKey,
  waitFor,
  waitPolicy,
  childPolicy,
  uniqueForMs,
  costEstimate,
}: NewJobMessage) {
  return {
    id: given(id),
    handler,
    payload,
    priority: priority || undefined,
    runAt: given(runAt),
    uniqueKey: given(uniqueKey),
    maxAttempts: maxAttempts || undefined,
    timeout: timeoutMs > 0 ? `${timeoutMs}ms` : undefined,
    parentId: given(parentId),
    retry: given(retry),
    concurrencyKey: given(concurrencyKey),
    waitFor: waitFor.length > 0 ? waitFor : undefined,
    waitPolicy: given(waitPolicy),
    childPolicy: given(childPolicy),
    uniqueFor: uniqueForMs > 0 ? `${uniqueForMs}ms` : undefined,
    costEstimate: costEstimate === 0 ? undefined : costEstimate,
  };
}

function definedOnly(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** As the plugin itself names it: all that it sees is its own tenant's. */
function withoutTenant(lane: string): string {
  return laneOf({ ...partsOf(lane), tenant: "" });
}

function durationOrNone(ms: number | null): string {
  return ms === null ? "" : formatDuration(ms);
}

/** An endpoint as the plugin itself names it: without the plugin. */
function ownEndpoint(lane: string | null): string {
  return lane === null ? "" : partsOf(lane).handler;
}

async function scheduleMessage(
  { store }: Context,
  view: ScheduleView,
  payload: Uint8Array,
): Promise<ScheduleMessage> {
  const lastJob = view.lastJobId === null ? null : await store.jobs.get(view.lastJobId);
  return {
    id: view.id,
    name: view.name,
    handler: withoutTenant(view.handler ?? ""),
    endpoint: ownEndpoint(view.endpoint),
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
    locking: view.locking,
    lastRunAt: view.lastRunAt ?? "",
    lastRunState: lastJob?.state ?? "",
    lastError: lastJob?.error?.message ?? "",
    runCount: view.runCount,
    failures: view.failures,
    overlap: view.overlap,
    missed: view.missed,
    timeout: durationOrNone(view.timeoutMs),
    maxAttempts: view.maxAttempts ?? 0,
    retry: view.retry ?? "",
    mustStartWithin: durationOrNone(view.mustStartWithinMs),
    mustSucceedWithin: durationOrNone(view.mustSucceedWithinMs),
  };
}
