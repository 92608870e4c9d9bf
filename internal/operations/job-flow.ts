/** Batches: jobs that run side by side, and one that runs when all of them have ended. */
import { z } from "zod";
import { fieldFault, shown } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { JOB_WAIT_FOR_MAX, WAIT_POLICIES } from "../job/job.ts";
import { enqueueInput, readNewJob, readNewJobs } from "./job-input.ts";
import { writeJobs } from "./job.ts";
import { type JobView, viewJob } from "./job-view.ts";
import { operation } from "./operation.ts";
import { mayTouchJob } from "./reference.ts";

export const jobBatch = operation({
  name: "job.batch",
  summary: "Enqueue jobs, and one that runs when all of them have ended",
  plugin: "cap:queue.enqueue",
  input: z.strictObject({
    jobs: z
      .array(enqueueInput)
      .min(1, "is empty.")
      .max(JOB_WAIT_FOR_MAX - 1, `has more than ${JOB_WAIT_FOR_MAX - 1} jobs.`),
    completion: enqueueInput,
    waitPolicy: z.enum(WAIT_POLICIES, `must be one of ${WAIT_POLICIES.join(", ")}.`).optional(),
  }),
  async run(
    context,
    { jobs, completion, waitPolicy },
  ): Promise<JobView & { created: boolean; jobs: number }> {
    refuseTies(completion, "completion");
    for (const [index, job] of jobs.entries()) refuseTies(job, `jobs.${index}`);
    const last = readNewJob(context, { ...completion, id: completion.id ?? newId(context.env, "JB") });
    const existing = completion.id === undefined ? null : await context.store.jobs.get(completion.id);
    if (existing && mayTouchJob(context, existing))
      return { ...(await viewJob(context, existing)), created: false, jobs: existing.waits };
    const children = readNewJobs(context, jobs);
    const waitFor = children.map(({ id }) => id);
    const made = [
      ...children.map((job) => ({ ...job, parentId: last.id })),
      { ...last, waitFor, waitPolicy },
    ];
    const enqueued = await writeJobs(context, made);
    const written = await context.store.jobs.get(last.id);
    if (!written) throw new Error(`Job ${last.id} was just written and is not there.`);
    const { created = false } = enqueued.at(-1) ?? {};
    return { ...(await viewJob(context, written)), created, jobs: children.length };
  },
});

/** In a batch, who waits for whom is said by the batch. */
function refuseTies(job: z.infer<typeof enqueueInput>, field: string): void {
  for (const name of ["uniqueKey", "waitFor", "waitPolicy", "parentId"] as const) {
    if (job[name] === undefined) continue;
    throw fieldFault(`${field}.${name}`, `${shown(job[name])} cannot be given in a batch.`);
  }
}

export const flowOperations = [jobBatch];
