/** What can be done to jobs. */
import { z } from "zod";
import { exceeded } from "../access/quota.ts";
import { sleep } from "../base/env.ts";
import { Fault, fieldFault } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { parseDuration } from "../base/duration.ts";
import { type Job, isFinished, JOB_STATES, type NewJob } from "../job/job.ts";
import { partsOf } from "../job/lane.ts";
import type { Enqueued } from "../store/jobs.ts";
import type { LogLine } from "../store/logs.ts";
import { principalName } from "../access/principal.ts";
import { handlerWarnings } from "./handler-offer.ts";
import {
  areBare,
  enqueueInput,
  readNewJob,
  readNewJobs,
  retryOf,
  withParents,
  withWaits,
} from "./job-input.ts";
import { type JobView, viewJob, viewJobs } from "./job-view.ts";
import { type Context, operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";
import { resolveJob } from "./reference.ts";

const reference = z.strictObject({ id: z.string() });
const ENQUEUE_JOBS_MAX = 10_000; // One transaction.
const WAIT_MAX_MS = 600_000; // A call that waits longer is asked again.
const WAIT_LOOK_MS = 50;
const LOG_LINES_MAX = 10_000;

export const jobEnqueue = operation({
  name: "job.enqueue",
  summary: "Enqueue a job; it is on disk when this answers",
  plugin: "cap:queue.enqueue",
  input: enqueueInput,
  async run(context, input): Promise<JobView & { created: boolean; warnings: string[] }> {
    const job = readNewJob(context, input);
    const [enqueued] = await writeJobs(context, [job]);
    const written = await context.store.jobs.get(enqueued?.id ?? job.id);
    if (!written) throw new Error(`Job ${job.id} was just written and is not there.`);
    const warnings = await handlerWarnings(context, [input.handler]);
    return { ...(await viewJob(context, written)), created: enqueued?.created ?? false, warnings };
  },
});

export const jobEnqueueMany = operation({
  name: "job.enqueueMany",
  summary: "Enqueue jobs together: all or none",
  plugin: "cap:queue.enqueue",
  input: z.strictObject({
    jobs: z
      .array(enqueueInput)
      .min(1, "is empty.")
      .max(ENQUEUE_JOBS_MAX, `has more than ${ENQUEUE_JOBS_MAX} jobs.`),
  }),
  fits: (input) => areBare(input, ENQUEUE_JOBS_MAX),
  async run(context, { jobs }): Promise<{ jobs: Enqueued[] }> {
    return { jobs: await writeJobs(context, readNewJobs(context, jobs)) };
  },
});

export const jobList = operation({
  name: "job.list",
  summary: "List jobs, newest first",
  plugin: "cap:queue.enqueue",
  input: z.strictObject({
    state: z.enum(JOB_STATES).optional(),
    handler: z.string().optional(),
    scheduleId: z.string().optional(),
    parentId: z.string().optional(),
    ...pageInput,
  }),
  async run(context, { state, handler, scheduleId, parentId, ...page }) {
    const { principal } = context;
    const own =
      principal.kind === "plugin" ? { owner: `plugin:${principal.plugin}`, tenant: principal.tenant } : {};
    const named = handler === undefined ? undefined : partsOf(handler);
    const asked = named && {
      handler: named.handler,
      plugin: named.plugin || undefined,
      tenant: named.tenant,
    };
    const { items, cursor } = await context.store.jobs.list(
      { state, ...asked, scheduleId, parentId, ...own },
      pageRequest(page),
    );
    return { jobs: await viewJobs(context, items), cursor };
  },
});

export const jobShow = operation({
  name: "job.show",
  summary: "Show one job",
  plugin: "cap:queue.enqueue",
  input: reference,
  async run(context, { id }) {
    return viewJob(context, await resolveJob(context, id));
  },
});

export const jobLogs = operation({
  name: "job.logs",
  summary: "Show what a job said",
  plugin: "cap:queue.enqueue",
  input: z.strictObject({
    id: z.string(),
    after: z.int().min(0).optional(),
    limit: z.int().min(1).max(LOG_LINES_MAX).optional(),
  }),
  async run(context, { id, after, limit }) {
    const job = await resolveJob(context, id);
    const lines = await context.store.logs.read(job.id, { after: after ?? 0, limit: limit ?? 1_000 });
    return { id: job.id, state: job.state, finished: isFinished(job.state), lines: lines.map(viewLine) };
  },
});

export const jobWait = operation({
  name: "job.wait",
  summary: "Wait until a job has ended",
  plugin: "cap:queue.enqueue",
  input: z.strictObject({ id: z.string(), timeout: z.string().optional() }),
  async run(context, { id, timeout }) {
    const { env, store, signal } = context;
    const limitMs = timeout === undefined ? WAIT_MAX_MS : parseDuration(timeout, "timeout");
    if (limitMs > WAIT_MAX_MS)
      throw fieldFault("timeout", "is longer than ten minutes.", "Wait again afterwards.");
    const until = env.mono() + limitMs;
    let job: Job | null = await resolveJob(context, id);
    if (!context.host && !isFinished(job.state)) throw nobodyRuns(job);
    while (job && !isFinished(job.state) && env.mono() < until) {
      if (signal?.aborted) throw waitedInVain(job);
      await sleep(env, WAIT_LOOK_MS, signal);
      job = await store.jobs.get(job.id);
    }
    if (!job) throw new Fault("not-found", `Job ${id} is gone.`);
    return { ...(await viewJob(context, job)), finished: isFinished(job.state) };
  },
});

export const jobCancel = operation({
  name: "job.cancel",
  summary: "Cancel a job; one that runs is asked to end",
  plugin: "cap:queue.enqueue",
  changes: true,
  input: reference,
  async run(context, { id }) {
    const found = await resolveJob(context, id);
    const cancelled = await context.store.jobs.cancel(found.id, principalName(context.principal));
    if (!cancelled) throw new Fault("not-found", `Job ${found.id} is gone.`);
    if (isFinished(cancelled.before)) {
      throw new Fault(
        "conflict",
        `Job ${found.id} is ${cancelled.before}; only a job that has not ended can be cancelled.`,
      );
    }
    if (cancelled.before === "running") context.host?.cancelJob(found.id);
    return viewJob(context, cancelled.job);
  },
});

export const jobRetry = operation({
  name: "job.retry",
  summary: "Run a job that has ended again, as a new job that names it",
  changes: true,
  input: reference,
  async run(context, { id }) {
    const old = await resolveJob(context, id);
    if (!isFinished(old.state)) {
      throw new Fault(
        "conflict",
        `Job ${old.id} is ${old.state}; only a job that has ended can be retried.`,
        {
          hint: "Wait for it, or cancel it first.",
        },
      );
    }
    const job = retryOf(context, old);
    await writeJobs(context, [job]);
    const written = await context.store.jobs.get(job.id);
    if (!written) throw new Error(`Job ${job.id} was just written and is not there.`);
    return viewJob(context, written);
  },
});

export const jobOperations = [
  jobEnqueue,
  jobEnqueueMany,
  jobList,
  jobShow,
  jobLogs,
  jobWait,
  jobCancel,
  jobRetry,
];

/** Writes jobs. Those that are due now find who runs them by themselves. */
export async function writeJobs(context: Context, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  const linked = jobs.some(isLinked) ? await withWaits(context, await withParents(context, jobs)) : jobs;
  const enqueued = await enqueueAs(context, linked);
  if (enqueued.some(({ state }) => state === "scheduled")) context.host?.jobsDelayed();
  return enqueued;
}

/** Others than these are not looked at: in a host that was idle that took a tenth of the way from the call to the disk. */
function isLinked({ parentId, waitFor }: NewJob): boolean {
  return parentId !== undefined || waitFor !== undefined;
}

/** Throws a Fault when a plugin has too many, or adds them too fast. */
async function enqueueAs({ store, principal }: Context, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  if (principal.kind !== "plugin") return store.jobs.enqueue(jobs);
  const answer = await store.jobs.enqueueWithin(principal, jobs);
  if ("exceeded" in answer) throw exceeded(principal.plugin, answer.exceeded);
  return answer;
}

function waitedInVain({ id, state }: Job): Fault {
  return new Fault("unreachable", `The host is ending, and job ${id} is ${state}.`, {
    hint: "It goes on when the host is back: wait again then.",
  });
}

function nobodyRuns({ id, state }: Job): Fault {
  return new Fault("unreachable", `Job ${id} is ${state}, and no host runs that could end it.`, {
    hint: "Start one with: qntx serve",
  });
}

function viewLine({ at, ...line }: LogLine) {
  return { ...line, at: formatInstant(at) };
}
