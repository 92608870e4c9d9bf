/** QueueService, as QNTX defines it: ids, states and times are filled in, and Pulse alone moves jobs. */
import { BUDGET_COST_MAX } from "../base/budget.ts";
import { Fault } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { isFinished, type Job, JOB_STATES, type JobState } from "../job/job.ts";
import { jobCancel, jobEnqueue, jobList, jobShow } from "../operations/job.ts";
import { resolveJob } from "../operations/reference.ts";
import { call } from "../operations/run.ts";
import type { Context } from "../operations/operation.ts";
import type { JobMessage, QueueServiceServer } from "../wire/host.ts";
import { legacy } from "./answer.ts";
import type { ServiceOptions } from "./door.ts";

const LIST_LIMIT_DEFAULT = 100; // What QNTX gives when none is said.
const LIST_LIMIT_MAX = 1_000;

export function queueService(options: ServiceOptions): QueueServiceServer {
  return {
    enqueue: legacy(
      options,
      jobEnqueue,
      (context, request) => enqueue(context, request),
      (error) => ({ success: false, error, jobId: "" }),
    ),
    getJob: legacy(
      options,
      jobShow,
      async (context, { jobId }) => ({
        success: true,
        error: "",
        job: jobMessage(await ownJob(context, jobId)),
      }),
      (error) => ({ success: false, error, job: undefined }),
    ),
    updateJob: legacy(
      options,
      jobEnqueue,
      async (context, { job }) => {
        await updateJob(context, required(job));
        return { success: true, error: "" };
      },
      (error) => ({ success: false, error }),
    ),
    listJobs: legacy(
      options,
      jobList,
      async (context, request) => ({ success: true, error: "", jobs: await listJobs(context, request) }),
      (error) => ({ success: false, error, jobs: [] }),
    ),
  };
}

async function enqueue(context: Context, { job }: { job: JobMessage | undefined }) {
  const { id: wanted, handlerName, payload, parentJobId, costEstimate } = required(job);
  const input = {
    handler: handlerName,
    payload,
    id: wanted || undefined,
    parentId: parentJobId || undefined,
    costEstimate: costEstimate > 0 && costEstimate <= BUDGET_COST_MAX ? costEstimate : undefined,
  };
  const { id } = await call(context, jobEnqueue, input);
  return { success: true, error: "", jobId: id };
}

async function listJobs(
  { store, principal }: Context,
  { status, limit }: { status: string; limit?: number | undefined },
): Promise<JobMessage[]> {
  if (status !== "" && !isState(status)) return [];
  const own =
    principal.kind === "plugin" ? { owner: `plugin:${principal.plugin}`, tenant: principal.tenant } : {};
  const state = status === "" ? undefined : status;
  const wanted = Math.min(LIST_LIMIT_MAX, limit || LIST_LIMIT_DEFAULT);
  const jobs: Job[] = [];
  // This list has no cursor to give: where a page ends early, it goes on.
  for (let cursor: string | null | undefined; cursor !== null && jobs.length < wanted;) {
    const page = await store.jobs.list({ ...own, state }, { limit: wanted - jobs.length, cursor });
    jobs.push(...page.items);
    cursor = page.cursor;
  }
  return jobs.map(jobMessage);
}

function required(job: JobMessage | undefined): JobMessage {
  if (job) return job;
  throw new Fault("usage", "job: is missing.");
}

/** Progress and cost of one's own running job, and cancelling a waiting one; other moves are Pulse's. */
async function updateJob(context: Context, job: JobMessage): Promise<void> {
  const found = await ownJob(context, job.id);
  if (job.status === "cancelled" && !isFinished(found.state)) {
    await call(context, jobCancel, { id: found.id });
    return;
  }
  if (job.status !== "" && job.status !== found.state) {
    throw new Fault(
      "conflict",
      `Job ${found.id} is ${found.state}; Pulse alone moves jobs, so it cannot be set to ${job.status}.`,
    );
  }
  const progress =
    job.progress && job.progress.total > 0
      ? { current: job.progress.current, total: job.progress.total, message: "" }
      : undefined;
  const costActual = Number.isFinite(job.costActual) && job.costActual > 0 ? job.costActual : undefined;
  const change = { ...(progress ? { progress } : {}), ...(costActual === undefined ? {} : { costActual }) };
  const kept = await context.store.jobs.annotate(found.id, change);
  if (!kept)
    throw new Fault("conflict", `Job ${found.id} is ${found.state}; only a running job has progress.`);
}

/** QNTX's own words for a job that is not there, or is somebody else's. */
async function ownJob(context: Context, id: string): Promise<Job> {
  try {
    return await resolveJob(context, id);
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found") {
      throw new Fault("not-found", `failed to get job: job not found: ${id}`);
    }
    throw error;
  }
}

function isState(text: string): text is JobState {
  return JOB_STATES.some((state) => state === text);
}

const seconds = (ms: number | null): number => (ms === null ? 0 : Math.floor(ms / 1000));

/** A job as QNTX's message. Its states that QNTX does not know are said as the nearest one that it does. */
function jobMessage(job: Job): JobMessage {
  return {
    id: job.id,
    handlerName: job.handler,
    payload: Buffer.from(job.payload),
    source: job.source,
    status: job.state === "scheduled" || job.state === "retrying" ? "queued" : job.state,
    progress: { current: job.progress?.current ?? 0, total: job.progress?.total ?? 0 },
    costEstimate: job.costEstimate,
    costActual: job.costActual,
    pulseState: undefined,
    error: job.error?.message ?? "",
    parentJobId: job.parentId ?? "",
    retryCount: Math.max(0, job.attempt - 1),
    createdAt: seconds(job.createdAt),
    startedAt: seconds(job.startedAt),
    completedAt: seconds(job.finishedAt),
  };
}

/** An instant as QNTX writes it in texts. */
export function rfc3339(ms: number | null): string {
  return ms === null ? "" : formatInstant(ms);
}
