/** What people and plugins may say about a new job, checked and turned into our own words. */
import { z } from "zod";
import { BUDGET_COST_MAX } from "../base/budget.ts";
import { parseDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { assert, Fault, fieldFault, shown } from "../base/fault.ts";
import { newId, newIds } from "../base/id.ts";
import { parseInstant } from "../base/instant.ts";
import { principalName } from "../access/principal.ts";
import { parseRetry } from "../base/retry.ts";
import {
  CHILD_POLICIES,
  type Job,
  JOB_WAIT_FOR_MAX,
  UNIQUE_FOR_MAX_MS,
  WAIT_POLICIES,
  JOB_ATTEMPTS_DEFAULT,
  JOB_ATTEMPTS_MAX,
  JOB_PAYLOAD_BYTES_MAX,
  JOB_PRIORITY_MAX,
  type NewJob,
} from "../job/job.ts";
import { laneOf } from "../job/lane.ts";
import type { Context } from "./operation.ts";
import { payloadBytes } from "./payload.ts";
import { mayTouchJob, ownerOf, refuseForeignHandler, resolveJob } from "./reference.ts";
import { readHandler } from "./schedule-input.ts";
import { readTimeout } from "./schedule-policy.ts";

/** Ids of others are welcome: whatever a program names its work by. */
const JOB_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const KEY_CHARS_MAX = 256;

export const enqueueInput = z.strictObject({
  handler: z.string("is missing: the handler that runs."),
  payload: z.unknown().optional(),
  id: z.string().optional(),
  priority: z.int("must be a whole number.").min(-JOB_PRIORITY_MAX).max(JOB_PRIORITY_MAX).optional(),
  runAt: z.string().optional(),
  uniqueKey: z
    .string()
    .min(1, "is empty.")
    .max(KEY_CHARS_MAX, `has more than ${KEY_CHARS_MAX} characters.`)
    .optional(),
  uniqueFor: z.string().optional(),
  maxAttempts: z
    .int("must be a whole number.")
    .min(1, "must be at least 1.")
    .max(JOB_ATTEMPTS_MAX, `must be at most ${JOB_ATTEMPTS_MAX}.`)
    .optional(),
  retry: z.string().optional(),
  concurrencyKey: z
    .string()
    .min(1, "is empty.")
    .max(KEY_CHARS_MAX, `has more than ${KEY_CHARS_MAX} characters.`)
    .optional(),
  timeout: z.string().optional(),
  parentId: z.string().max(128).optional(),
  waitFor: z.array(z.string()).max(JOB_WAIT_FOR_MAX, `has more than ${JOB_WAIT_FOR_MAX} jobs.`).optional(),
  waitPolicy: z.enum(WAIT_POLICIES, `must be one of ${WAIT_POLICIES.join(", ")}.`).optional(),
  childPolicy: z.enum(CHILD_POLICIES, `must be one of ${CHILD_POLICIES.join(", ")}.`).optional(),
  costEstimate: z
    .number("must be a number.")
    .min(0, "must not be negative.")
    .max(BUDGET_COST_MAX, `must be at most ${BUDGET_COST_MAX}.`)
    .optional(),
});

export type EnqueueInput = z.infer<typeof enqueueInput>;

/** True for `{ jobs }` of which each says a handler and a payload at most: to have each looked at by its schema costs as much as to read it. */
export function areBare(input: unknown, max: number): boolean {
  if (!isObject(input) || Object.keys(input).length !== 1 || !Array.isArray(input["jobs"])) return false;
  const jobs: readonly unknown[] = input["jobs"];
  return jobs.length > 0 && jobs.length <= max && jobs.every(isBare);
}

function isBare(job: unknown): boolean {
  if (!isObject(job) || typeof job["handler"] !== "string") return false;
  for (const key in job) if (job[key] !== undefined && key !== "handler" && key !== "payload") return false;
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Reads one new job. Throws a Fault that names the field. */
export function readNewJob(context: Context, input: EnqueueInput): NewJob {
  return new NewJobReader(context, 1).read(input);
}

/** Reads the jobs of one call. Of several, the Fault names the one that is wrong as well. */
export function readNewJobs(context: Context, inputs: readonly EnqueueInput[]): NewJob[] {
  const reader = new NewJobReader(context, inputs.length);
  return inputs.map((input, index) => {
    try {
      return reader.read(input);
    } catch (error) {
      throw error instanceof Fault && inputs.length > 1 ? ofJob(index, error) : error;
    }
  });
}

/** Reads jobs of one call. What they have in common is looked at once, or a thousand cost as much as to write them. */
class NewJobReader {
  readonly #context: Context;
  readonly #asker: Asker;
  readonly #ids: readonly string[];
  #read = 0;
  readonly #handlers = new Map<string, ReturnType<typeof readHandler>>();

  constructor(context: Context, count: number) {
    this.#context = context;
    this.#asker = askerOf(context);
    this.#ids = newIds(context.env, "JB", count);
  }

  read(input: EnqueueInput): NewJob {
    refuseIdle(input);
    const { handler, plugin, tenant } = this.#handler(input.handler);
    const own = this.#ids[this.#read++];
    assert(own, "a call has an id for each of its jobs");
    return {
      id: input.id ? readJobId(input.id) : own,
      tenant,
      source: this.#asker.source,
      owner: this.#asker.owner,
      handler,
      plugin,
      payload: payloadBytes(input.payload, "payload", JOB_PAYLOAD_BYTES_MAX),
      priority: input.priority ?? 0,
      runAt: input.runAt === undefined ? undefined : parseInstant(input.runAt, "runAt"),
      uniqueKey: input.uniqueKey,
      uniqueForMs:
        input.uniqueFor === undefined ? undefined : readUniqueFor(input.uniqueFor, input.uniqueKey),
      maxAttempts: input.maxAttempts,
      concurrencyKey: input.concurrencyKey,
      retry: input.retry === undefined ? undefined : parseRetry(input.retry, "retry"),
      timeoutMs: input.timeout === undefined ? undefined : readTimeout(input.timeout),
      parentId: input.parentId,
      waitFor: input.waitFor,
      waitPolicy: input.waitPolicy,
      childPolicy: input.childPolicy,
      costEstimate: input.costEstimate ?? 0,
    };
  }

  /** Who runs it, and that whoever asks may have it run. */
  #handler(text: string): ReturnType<typeof readHandler> {
    const known = this.#handlers.get(text);
    if (known) return known;
    const read = readHandler(this.#context, text);
    refuseForeignHandler(this.#context, laneOf(read));
    this.#handlers.set(text, read);
    return read;
  }
}

/** Throws a Fault for what is said and would do nothing. */
function refuseIdle({ waitPolicy, waitFor }: EnqueueInput): void {
  if (waitPolicy === undefined || (waitFor && waitFor.length > 0)) return;
  throw fieldFault(
    "waitPolicy",
    `${shown(waitPolicy)} has no effect without jobs to wait for.`,
    "Say which these are, with waitFor.",
  );
}

function ofJob(index: number, { code, message, hint, fields: wrong }: Fault): Fault {
  const job = `jobs.${index}`;
  const inJob = wrong.map((one) => ({ ...one, field: `${job}.${one.field}` }));
  const fields = inJob.length > 0 ? inJob : [{ field: job, message }]; // For programs: it is not the call that is refused.
  return new Fault(code, wrong.length > 0 ? `${job}.${message}` : `${job}: ${message}`, { hint, fields });
}

/** In whose name a job is made. */
type Asker = Required<Pick<NewJob, "tenant" | "source" | "owner">>;

function askerOf(context: Context): Asker {
  const { principal } = context;
  const owner = ownerOf(context);
  return {
    tenant: principal.kind === "plugin" ? principal.tenant : "",
    source: principalName(principal),
    owner: `${owner.kind}:${owner.name}`,
  };
}

/** The jobs with the whole ids of those that they wait for. Throws a Fault for one that is not there. */
export async function withWaits(context: Context, jobs: readonly NewJob[]): Promise<readonly NewJob[]> {
  if (!jobs.some(({ waitFor }) => waitFor !== undefined)) return jobs;
  const earlier = new Set<string>();
  const all = new Set(jobs.map(({ id }) => id));
  const resolved: NewJob[] = [];
  for (const job of jobs) {
    const waitFor: string[] = [];
    for (const id of job.waitFor ?? []) {
      if (!earlier.has(id) && all.has(id))
        throw fieldFault("waitFor", `${shown(id)} stands behind the job that waits for it.`, "Put it first.");
      waitFor.push(earlier.has(id) ? id : (await resolveJob(context, id)).id);
    }
    earlier.add(job.id);
    resolved.push(job.waitFor === undefined ? job : { ...job, waitFor });
  }
  return resolved;
}

/** The jobs with the whole ids of their parents. Throws a Fault for one that is not there. */
export async function withParents(context: Context, jobs: readonly NewJob[]): Promise<readonly NewJob[]> {
  const together = new Set(jobs.map(({ id }) => id));
  const parents = new Map<string, string>();
  for (const id of new Set(jobs.map(({ parentId }) => parentId)))
    if (id !== undefined && !together.has(id)) parents.set(id, await resolveParent(context, id));
  if (parents.size === 0) return jobs;
  return jobs.map((job) => ({ ...job, parentId: parents.get(job.parentId ?? "") ?? job.parentId }));
}

/**
 * A plugin would hear of the end of a parent that is another tenant's, or of plugins whose handlers it may not reach: it
 * is refused. So is one that is not there, in the same words, or they would say which are.
 */
async function resolveParent(context: Context, id: string): Promise<string> {
  const { principal, store } = context;
  if (principal.kind !== "plugin") return (await resolveJob(context, id)).id;
  const mayReach = principal.capabilities.has("cap:queue.enqueue-any");
  const parent = await store.jobs.whose(id);
  if (parent && (mayTouchJob(context, parent) || (mayReach && parent.tenant === principal.tenant))) return id;
  throw fieldFault("parentId", `${shown(id)} is not a job of yours.`, "Name one of your own.");
}

/** A job that has ended, again: a new one that names it. */
export function retryOf(context: Context, old: Job): NewJob & { retryOf: string } {
  return {
    ...askerOf(context),
    id: newId(context.env, "JB"),
    handler: old.handler,
    plugin: old.plugin,
    payload: old.payload,
    tenant: old.tenant,
    priority: old.priority,
    // Before the first claim the default stands for nothing said: then it is the handler's to say.
    maxAttempts: old.fence === 0 && old.maxAttempts === JOB_ATTEMPTS_DEFAULT ? undefined : old.maxAttempts,
    retry: old.retry ?? undefined,
    costEstimate: old.costEstimate,
    concurrencyKey: old.concurrencyKey ?? undefined,
    timeoutMs: old.timeoutMs ?? undefined,
    trigger: "retry",
    // It stands for the same run of its schedule, which its handler may ask for.
    scheduleId: old.scheduleId ?? undefined,
    declaredId: old.declaredId,
    occurrence: old.occurrence ?? undefined,
    runCount: old.runCount ?? undefined,
    catchup: old.catchup,
    parentId: old.parentId ?? undefined,
    childPolicy: old.childPolicy ?? undefined,
    retryOf: old.id,
  };
}

function readUniqueFor(text: string, uniqueKey: string | undefined): Millis {
  if (uniqueKey === undefined)
    throw fieldFault(
      "uniqueFor",
      `${shown(text)} has no effect without a unique key.`,
      "Say which key is to be held.",
    );
  const ms = parseDuration(text, "uniqueFor");
  if (ms > 0 && ms <= UNIQUE_FOR_MAX_MS) return ms;
  throw fieldFault(
    "uniqueFor",
    `${shown(text)} is out of range.`,
    'Give a duration above zero, up to "30d".',
  );
}

function readJobId(id: string): string {
  if (JOB_ID_PATTERN.test(id)) return id;
  throw fieldFault(
    "id",
    `${shown(id)} cannot be a job's id.`,
    "Use letters, digits, dots, dashes, colons and underscores, at most 128.",
  );
}
