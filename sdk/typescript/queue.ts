/**
 * Queue: jobs on their way to the host. What is enqueued in one turn of the event loop
 * travels in one call and shares its commit, which is how many callers at once add tens
 * of thousands a second; each is answered by itself all the same.
 *
 * The host takes a call whole or not at all. One that it refuses is halved, until whoever
 * made the mistake hears of it alone, and the others' jobs are written.
 */
import type { NewJob } from "../../proto/gen/qntx/v1/host.ts";
import { toBytes } from "./codec.ts";
import type { Enqueue } from "./enqueuing.ts";
import { checkGiven, type Kind } from "./given.ts";
import { HostError } from "./host-error.ts";
import type { Json } from "./qntx.ts";

export interface EnqueueOptions {
  /** Enqueueing the same id again answers with the job that exists. */
  id?: string;
  priority?: number;
  /** ISO 8601 with offset. */
  runAt?: string;
  /** Only one active job of a handler has this key. */
  uniqueKey?: string;
  /** Milliseconds for which it has it from now on, also when it has ended. */
  uniqueForMs?: number;
  /** Jobs of the handler with this key run one after the other, or as many at once as it allows. */
  concurrencyKey?: string;
  maxAttempts?: number;
  /** How long it waits between tries, as a handler says it. */
  retry?: string;
  /** The job whose child it is: cancelled with it. `job.id` of the one that enqueues it, mostly. */
  parentId?: string;
  /** Ids of jobs, earlier in the same call or there already: it runs when all of them have ended. */
  waitFor?: readonly string[];
  /** When one of those does not complete: fail too (as when absent), run all the same, or fail and cancel the others. */
  waitPolicy?: "fail" | "continue" | "cancel";
  /** What becomes of its children when it fails: kept, as when absent, or cancelled. */
  childPolicy?: "keep" | "cancel";
  timeoutMs?: number;
  /** What it will cost, of the budgets that it falls under: reserved while it runs. */
  costEstimate?: number;
}

export interface Queue {
  /** Resolves when the job is on disk. */
  enqueue(
    handler: string,
    payload?: Json,
    options?: EnqueueOptions,
  ): Promise<{ id: string; created: boolean }>;
  enqueueMany(
    jobs: readonly ({ handler: string; payload?: Json } & EnqueueOptions)[],
  ): Promise<{ id: string; created: boolean }[]>;
}

export const CALL_JOBS_MAX = 1_000; // Some milliseconds of the host, for all of which everybody else waits.
export const CALL_BYTES_MAX = 1_048_576; // Of payloads; far below the 4 MiB that the host takes.

/** After these nobody knows whether anything was written. Any other answer says that nothing was. */
const UNDECIDED = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"]);

type EnqueuedJob = Awaited<ReturnType<Queue["enqueue"]>>;

interface Waiting {
  job: NewJob;
  resolve(answer: EnqueuedJob): void;
  reject(error: unknown): void;
}

type Send = (jobs: NewJob[]) => Promise<EnqueuedJob[]>;

export function createQueue(ask: Enqueue): Queue {
  const send: Send = async (jobs) => {
    const answer = await ask({ jobs });
    return answer.jobs.map(({ id, created }) => ({ id, created }));
  };
  const shared = new SharedCalls(send);
  return {
    async enqueueMany(jobs) {
      if (jobs.length === 0) return [];
      const wired = jobs.map(({ handler, payload, ...options }) => wireJob(handler, payload, options));
      shared.flush(); // These may wait for those, so they are not asked for first.
      return send(wired);
    },
    async enqueue(handler, payload, options = {}) {
      return shared.add(wireJob(handler, payload, options));
    },
  };
}

/** Jobs of one turn in one call. */
class SharedCalls {
  readonly #send: Send;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(send: Send) {
    this.#send = send;
  }

  add(job: NewJob): Promise<EnqueuedJob> {
    const isFull = this.#waiting.length >= CALL_JOBS_MAX || this.#bytes + job.payload.length > CALL_BYTES_MAX;
    if (isFull) this.flush();
    if (this.#waiting.length === 0) process.nextTick(() => this.flush());
    this.#bytes += job.payload.length;
    return new Promise((resolve, reject) => this.#waiting.push({ job, resolve, reject }));
  }

  /** Sends what waits, now. */
  flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    if (group.length > 0) void this.#deliver(group);
  }

  async #deliver(group: readonly Waiting[]): Promise<void> {
    try {
      const answers = await this.#send(group.map(({ job }) => job));
      group.forEach(({ job, resolve, reject }, index) => {
        const answer = answers[index];
        if (answer) resolve(answer);
        else
          reject(
            new HostError("INTERNAL", `The host did not say what became of the job for ${job.handler}.`),
          );
      });
    } catch (error) {
      if (group.length === 1 || !isRefusal(error)) return group.forEach(({ reject }) => reject(error));
      const half = Math.ceil(group.length / 2);
      await this.#deliver(group.slice(0, half)); // One after the other: the second may wait for the first.
      await this.#deliver(group.slice(half));
    }
  }
}

/** Of a job, that is. Who may not enqueue at all, or not so much, is not asked about each: the host writes every denial down. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof HostError) || UNDECIDED.has(error.status)) return false;
  if (error.code === "quota") return false;
  return error.code !== "denied" || error.fields.length > 0;
}

const OPTIONS: Readonly<Record<keyof EnqueueOptions, Kind>> = {
  id: "text",
  priority: "small",
  runAt: "text",
  uniqueKey: "text",
  uniqueForMs: "whole",
  concurrencyKey: "text",
  maxAttempts: "small",
  retry: "text",
  parentId: "text",
  waitFor: "texts",
  waitPolicy: "text",
  childPolicy: "text",
  timeoutMs: "whole",
  costEstimate: "number",
};

function wireJob(handler: string, payload: Json, options: EnqueueOptions): NewJob {
  checkGiven("a job to enqueue", options, OPTIONS);
  return {
    id: options.id ?? "",
    handler,
    payload: toBytes(payload),
    priority: options.priority ?? 0,
    runAt: options.runAt ?? "",
    uniqueKey: options.uniqueKey ?? "",
    concurrencyKey: options.concurrencyKey ?? "",
    maxAttempts: options.maxAttempts ?? 0,
    timeoutMs: options.timeoutMs ?? 0,
    parentId: options.parentId ?? "",
    waitFor: [...(options.waitFor ?? [])],
    waitPolicy: options.waitPolicy ?? "",
    uniqueForMs: options.uniqueForMs ?? 0,
    childPolicy: options.childPolicy ?? "",
    retry: options.retry ?? "",
    costEstimate: options.costEstimate ?? 0,
  };
}
