/**
 * Many jobs by what they have in common: retry those that ended, cancel those that
 * have not. In steps, so that nobody waits for it; a step that was done stays done,
 * and asking again goes on with what is left.
 */
import { z } from "zod";
import { fieldFault } from "../base/fault.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import { principalName } from "../access/principal.ts";
import { FINISHED_STATES, JOB_STATES, type JobState } from "../job/job.ts";
import type { BulkFilter, BulkJob } from "../store/bulk.ts";
import { retryOf } from "./job-input.ts";
import { type Context, operation } from "./operation.ts";

export const BULK_LIMIT_DEFAULT = 1_000;
export const BULK_LIMIT_MAX = 1_000_000; // Half a minute; who has more asks again.
const STEP_JOBS = 100; // One transaction of a few milliseconds.
const SHOWN_JOBS = 10;
const OPEN_STATES = JOB_STATES.filter((state) => !FINISHED_STATES.includes(state));

const bulkShape = {
  handler: z.string().min(1, "is empty.").optional(),
  scheduleId: z.string().min(1, "is empty.").optional(),
  errorKind: z.string().min(1, "is empty.").optional(),
  since: z.string().optional(),
  until: z.string().optional(),
  limit: z
    .int("must be a whole number.")
    .min(1, "must be at least 1.")
    .max(BULK_LIMIT_MAX, `must be at most ${BULK_LIMIT_MAX}.`)
    .optional(),
  plan: z.boolean("must be true or false.").optional(),
};
const bulkInput = z.strictObject({ ...bulkShape, state: z.enum(JOB_STATES).optional() });
type BulkInput = z.infer<typeof bulkInput>;

export interface BulkView {
  /** True when nothing was done. */
  plan: boolean;
  /** Jobs that match; when something was done, at most the limit. */
  matched: number;
  /** Jobs for which it was done. */
  done: number;
  /** True when more jobs match than the limit allows: ask again. */
  more: boolean;
  /** The first ten, oldest first. */
  first: { id: string; handler: string; state: JobState; at: string; errorKind: string | null }[];
}

export const jobRedrive = operation({
  name: "job.redrive",
  summary: "Retry failed jobs that nobody has retried, by what they have in common",
  changes: true,
  input: z.strictObject(bulkShape),
  run: (context, input) => retryAll(context, input, { states: ["failed"], notRetried: true }),
});

export const jobRetryMany = operation({
  name: "job.retryMany",
  summary: "Retry jobs that have ended, by what they have in common; each once",
  changes: true,
  input: bulkInput,
  run: (context, input) =>
    retryAll(context, input, { states: statesOf(input, FINISHED_STATES), notRetried: true }),
});

export const jobCancelMany = operation({
  name: "job.cancelMany",
  summary: "Cancel jobs that have not ended, by what they have in common",
  changes: true,
  input: bulkInput,
  async run(context, input) {
    refuseEverything(input);
    const filter = { ...readFilter(input), states: statesOf(input, OPEN_STATES) };
    return inSteps(context, filter, input, async (jobs) => {
      const ids = jobs.map(({ id }) => id);
      const before = await context.store.bulk.cancel(ids, principalName(context.principal));
      for (const [index, id] of ids.entries()) if (before[index] === "running") context.host?.cancelJob(id);
      return before.filter((state) => state !== null && OPEN_STATES.includes(state)).length;
    });
  },
});

export const bulkOperations = [jobRedrive, jobRetryMany, jobCancelMany];

function retryAll(
  context: Context,
  input: BulkInput,
  what: Pick<BulkFilter, "states" | "notRetried">,
): Promise<BulkView> {
  if (what.states.length > 1) refuseEverything(input);
  return inSteps(context, { ...readFilter(input), ...what }, input, async (found) => {
    const { store } = context;
    const jobs = await Promise.all(found.map(({ id }) => store.jobs.get(id)));
    const made = await store.bulk.retry(jobs.flatMap((job) => (job ? [retryOf(context, job)] : [])));
    return made.filter(({ created }) => created).length;
  });
}

/** Looks through all jobs, and does it to those that match, up to the limit. */
async function inSteps(
  context: Context,
  filter: BulkFilter,
  { plan = false, limit = BULK_LIMIT_DEFAULT }: BulkInput,
  act: (jobs: readonly BulkJob[]) => Promise<number>,
): Promise<BulkView> {
  const view: BulkView = { plan, matched: 0, done: 0, more: false, first: [] };
  for await (const found of stretches(context, filter)) {
    const jobs = plan ? found : found.slice(0, limit - view.matched);
    view.more = plan ? view.matched + jobs.length > limit : jobs.length < found.length;
    view.matched += jobs.length;
    view.first.push(...jobs.slice(0, SHOWN_JOBS - view.first.length).map(viewOf));
    if (plan) continue;
    for (let at = 0; at < jobs.length; at += STEP_JOBS)
      view.done += await act(jobs.slice(at, at + STEP_JOBS));
    if (view.more) break;
  }
  return view;
}

async function* stretches({ store, env, signal }: Context, filter: BulkFilter): AsyncGenerator<BulkJob[]> {
  for (let from: { after: number; upTo: number } | null = null; ;) {
    const { found, next } = await store.bulk.match(filter, from);
    if (found.length > 0) yield found;
    if (next === null || signal?.aborted) return;
    from = next;
    await new Promise<void>((resolve) => env.soon(resolve)); // Others have their turn.
  }
}

function readFilter({ handler, scheduleId, errorKind, since, until }: BulkInput): Omit<BulkFilter, "states"> {
  return {
    handler,
    scheduleId,
    errorKind,
    since: since === undefined ? undefined : parseInstant(since, "since"),
    until: until === undefined ? undefined : parseInstant(until, "until"),
  };
}

function statesOf({ state }: BulkInput, allowed: readonly JobState[]): readonly JobState[] {
  if (state === undefined) return allowed;
  if (allowed.includes(state)) return [state];
  throw fieldFault("state", `"${state}" is not one of ${allowed.join(", ")}.`);
}

/** Nobody means all of them; who does, says a state. */
function refuseEverything({ state, handler, scheduleId, errorKind, since, until }: BulkInput): void {
  if ([state, handler, scheduleId, errorKind, since, until].some((value) => value !== undefined)) return;
  throw fieldFault(
    "handler",
    "is missing, and so is everything else that jobs can have in common.",
    "Say which: a handler, a schedule, a state, a kind of error or a time.",
  );
}

function viewOf({ id, lane, state, at, errorKind }: BulkJob): BulkView["first"][number] {
  return { id, handler: lane, state, at: formatInstant(at), errorKind };
}
