/** Pausing one job that waits, and letting it go on. */
import { z } from "zod";
import { principalName } from "../access/principal.ts";
import { Fault } from "../base/fault.ts";
import { type Job, isFinished } from "../job/job.ts";
import type { Moved } from "../store/jobs.ts";
import { viewJob } from "./job-view.ts";
import { type Context, operation } from "./operation.ts";
import { resolveJob } from "./reference.ts";

const NOTE_CHARS_MAX = 1_000;

export const jobPause = operation({
  name: "job.pause",
  summary: "Keep a job that waits from running until it is resumed",
  plugin: "cap:queue.enqueue",
  changes: true,
  input: z.strictObject({
    id: z.string(),
    note: z.string().max(NOTE_CHARS_MAX, `has more than ${NOTE_CHARS_MAX} characters.`).optional(),
  }),
  async run(context, { id, note }) {
    const found = await resolveJob(context, id);
    const pause = { by: principalName(context.principal), note: note ?? "" };
    const job = moved(found, await context.store.jobs.pause(found.id, pause), pausing);
    return viewJob(context, job);
  },
});

export const jobResume = operation({
  name: "job.resume",
  summary: "Let a paused job go on",
  plugin: "cap:queue.enqueue",
  changes: true,
  input: z.strictObject({ id: z.string() }),
  async run(context, { id }) {
    const found = await resolveJob(context, id);
    const job = moved(found, await context.store.jobs.resume(found.id), resuming);
    wake(context, job);
    return viewJob(context, job);
  },
});

export const jobPauseOperations = [jobPause, jobResume];

function moved({ id }: Job, result: Moved | null, refusal: (job: Job) => Fault): Job {
  if (!result) throw new Fault("not-found", `Job ${id} is gone.`);
  if (!result.moved) throw refusal(result.job);
  return result.job;
}

function wake({ host }: Context, { state }: Job): void {
  if (state !== "queued") host?.jobsDelayed();
}

function pausing(job: Job): Fault {
  const { id, state, handler, trigger } = job;
  if (state !== "paused" && !isFinished(state) && trigger === "backfill") return ofBackfill(job, "paused");
  const hint = isFinished(state)
    ? undefined
    : state === "running"
      ? `To keep it from running again: qntx job cancel ${id}; to hold up its successors: qntx handler pause ${handler}`
      : `Let it go on with: qntx job resume ${id}`;
  return new Fault("conflict", `Job ${id} is ${state}; only a job that waits can be paused.`, { hint });
}

function resuming(job: Job): Fault {
  const { id, state, trigger } = job;
  if (state === "paused" && trigger === "backfill") return ofBackfill(job, "resumed");
  return new Fault("conflict", `Job ${id} is ${state}; only a paused job can be resumed.`);
}

function ofBackfill({ id }: Job, verb: string): Fault {
  return new Fault(
    "conflict",
    `Job ${id} is a run of a backfill, which has a line of its own: it cannot be ${verb}.`,
    {
      hint: `To take it out of the line: qntx job cancel ${id}`,
    },
  );
}
