/** ScheduleService, as seed and upstream define it; but two schedules for one handler are two schedules. */
import { formatDuration } from "../base/duration.ts";
import { fieldFault, Fault } from "../base/fault.ts";
import { EVERY_MIN_MS, type Schedule } from "../schedule/schedule.ts";
import { resolveSchedule } from "../operations/reference.ts";
import type { Context } from "../operations/operation.ts";
import { call } from "../operations/run.ts";
import {
  scheduleCreate,
  scheduleDelete,
  schedulePause,
  scheduleResume,
  scheduleShow,
} from "../operations/schedule.ts";
import type {
  CreateLegacyScheduleMessage,
  ScheduledJobMessage,
  ScheduleServiceServer,
} from "../wire/host.ts";
import { legacy } from "./answer.ts";
import type { ServiceOptions } from "./door.ts";
import { rfc3339 } from "./queue.ts";

const refused = (error: string) => ({ success: false, error });

export function scheduleService(options: ServiceOptions): ScheduleServiceServer {
  return {
    createSchedule: legacy(options, scheduleCreate, create, (error) => ({
      ...refused(error),
      scheduleId: "",
    })),
    pauseSchedule: move(options, schedulePause),
    resumeSchedule: move(options, scheduleResume),
    deleteSchedule: move(options, scheduleDelete),
    getSchedule: legacy(
      options,
      scheduleShow,
      async (context, { scheduleId }) => {
        const schedule = await resolveSchedule(context, required(scheduleId));
        return { success: true, error: "", job: scheduledJobMessage(schedule) };
      },
      (error) => ({ ...refused(error), job: undefined }),
    ),
  };
}

async function create(
  context: Context,
  { handlerName, intervalSeconds, payload, metadata }: CreateLegacyScheduleMessage,
) {
  if (intervalSeconds * 1000 < EVERY_MIN_MS) {
    throw fieldFault("interval_seconds", `${intervalSeconds} is too short.`, "The shortest interval is 1.");
  }
  const every = formatDuration(intervalSeconds * 1_000);
  const input = { handler: handlerName, every, payload, metadata };
  const { id } = await call(context, scheduleCreate, input);
  return { success: true, error: "", scheduleId: id };
}

/** Pause, resume and delete differ in the operation alone. */
function move(
  options: ServiceOptions,
  operation: typeof schedulePause | typeof scheduleResume | typeof scheduleDelete,
) {
  return legacy<{ authToken: string; scheduleId: string }, { success: boolean; error: string }>(
    options,
    operation,
    async (context, { scheduleId }) => {
      await call(context, operation, { id: required(scheduleId) });
      return { success: true, error: "" };
    },
    refused,
  );
}

function required(scheduleId: string): string {
  if (scheduleId === "") throw new Fault("usage", "schedule_id: is missing.");
  return scheduleId;
}

/** QNTX knows intervals alone: a cron schedule says interval 0 and has its expression in the metadata. */
function scheduledJobMessage(schedule: Schedule): ScheduledJobMessage {
  const { spec, target, metadata } = schedule;
  const shown =
    spec.kind === "cron"
      ? { ...metadata, cron: spec.cron.join("; "), timezone: schedule.timezone }
      : metadata;
  return {
    id: schedule.id,
    atsCode: "",
    handlerName:
      target.kind === "handler" ? target.handler : target.kind === "endpoint" ? target.endpoint : "",
    payload: Buffer.from(schedule.payload),
    sourceUrl: "",
    intervalSeconds: spec.kind === "every" ? Math.round(spec.everyMs / 1000) : 0,
    nextRunAt: rfc3339(schedule.nextRunAt),
    lastRunAt: rfc3339(schedule.lastRunAt),
    lastExecutionId: schedule.lastJobId ?? "",
    state: schedule.state === "finished" ? "inactive" : schedule.state,
    metadata: JSON.stringify(shown),
    createdAt: rfc3339(schedule.createdAt),
    updatedAt: rfc3339(schedule.updatedAt),
    createdFromDoc: "",
  };
}
