/**
 * StreamWire: many attempts over one bidirectional stream.
 *
 * All that is produced in one go (a claim, a group of answers) travels in one message, in
 * both directions, and nothing here has a timer of its own: that is what
 * carries fifty thousand jobs a second.
 */
import type { EnqueueRequest } from "../../proto/gen/qntx/v1/host.ts";
import type {
  EnqueueAnswer,
  EnqueueCall,
  HostMessage,
  JobCancel,
  JobCheckpoint,
  JobLog,
  JobStart,
  PluginMessage,
} from "../../proto/gen/qntx/v1/plugin.ts";
import { type Env, type Millis, within } from "../base/env.ts";
import { Fault } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { CHECKPOINT_BYTES_MAX } from "../job/job.ts";
import type { HandlerOptions } from "../plugin/plugin.ts";
import type { Attempt, CancelReason, JobLogLine } from "../pulse/executor.ts";
import type { MessageStream } from "../../sdk/typescript/channel.ts";
import type { Connection } from "./connection.ts";
import { endingOfFinish } from "./endings.ts";
import { Meter } from "./meter.ts";
import { cleanLine, cleanProgress, readHandlers, type Warn } from "./guard.ts";
import type { Wire, WireEvents } from "./wire.ts";

export const OPEN_LIMIT_MS = 10_000; // For the first message: the plugin has just answered Initialize.
const STARTS_PER_MESSAGE_MAX = 500; // Encoding stays below some milliseconds.
export const TALK_PER_SECOND = 4_194_304; // Bytes of lines, progress and signs of life; 20,000 short lines. Endings are not counted: we asked for them.
export const TALK_BURST = 10 * TALK_PER_SECOND; // A job that says much at once is not held up.
const TALK_COST = 200; // What one of these costs beside its bytes, in bytes.
const BYTES_PER_MESSAGE_MAX = 1_048_576; // Far below the 4 MiB that a stock gRPC server takes.

export interface StreamEvents extends WireEvents {
  /** The plugin offers other handlers now. */
  handlersChanged(handlers: HandlerOptions[]): void;
  /** Answers once the jobs are on disk, or with why they are not. Never rejects. */
  enqueue(request: EnqueueRequest): Promise<Omit<EnqueueAnswer, "number">>;
  /** The stream is over; nothing on it will be answered. */
  broken(reason: string): void;
  warn: Warn;
}

const JOBS_ANSWERED_PER_MESSAGE_MAX = 10_000; // At some sixty bytes each.
export const ENQUEUING_BYTES_MAX = 16_777_216; // On their way to the disk, and of answers that the plugin has not read: sixteen calls as large as our SDK sends them.
const ENQUEUE_CALL_COST = 4_096; // What a call is held with beside its jobs, in bytes.
const ENQUEUE_JOB_COST = 512; // And a job beside its payload.

/** An answer on its way, and what its call was held with. */
interface Answered {
  answer: EnqueueAnswer;
  bytes: number;
}

const NOTHING = Buffer.alloc(0);
const NOTHING_NEW: HostMessage = {
  starts: [],
  cancels: [],
  drain: false,
  takesEnqueues: false,
  enqueued: [],
};

export class StreamWire implements Wire {
  readonly isStream = true;
  readonly #env: Env;
  readonly #call: MessageStream<HostMessage>;
  readonly #events: StreamEvents;
  readonly #opened = Promise.withResolvers<void>();
  readonly #talk: Meter;
  #starts: JobStart[] = [];
  #cancels: JobCancel[] = [];
  #answers: Answered[] = [];
  #enqueuingBytes = 0;
  /** It has said more than it may, and is not listened to for a while. */
  #owes = false;
  #drain = false;
  /** After that the plugin may close the stream, when its last job has ended. */
  #drained = false;
  #asked = false;
  #full = false;
  #over = false;

  constructor(env: Env, connection: Connection, events: StreamEvents) {
    this.#env = env;
    this.#events = events;
    this.#talk = new Meter(env, { perSecond: TALK_PER_SECOND, burst: TALK_BURST });
    this.#opened.promise.catch(() => {}); // Who waits in `opened` hears of it.
    this.#call = connection.jobs({
      message: (message) => this.#take(message),
      drained: () => this.#resume(),
      ended: (reason) => this.#end(reason),
    });
    this.#call.write({ ...NOTHING_NEW, takesEnqueues: true });
  }

  /** Resolves when the plugin has said that jobs may start. Rejects when the stream ends before, or nothing is said. */
  opened(): Promise<void> {
    const silent = () => new Fault("timeout", "The job stream was not opened within 10 s.");
    return within(this.#env, OPEN_LIMIT_MS satisfies Millis, this.#opened.promise, silent);
  }

  start(attempt: Attempt): void {
    this.#starts.push(startOf(attempt));
    this.#ask();
  }

  cancel({ job }: Attempt, reason: CancelReason): void {
    this.#cancels.push({ jobId: job.id, fence: job.fence, reason });
    this.#ask();
  }

  drain(): void {
    this.#drain = true;
    this.#drained = true;
    this.#ask();
  }

  #ask(): void {
    if (this.#asked || this.#over) return;
    this.#asked = true;
    queueMicrotask(() => {
      this.#asked = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (!this.#over && !this.#full && this.#hasNews()) {
      const starts = takeStarts(this.#starts);
      this.#starts = this.#starts.slice(starts.length);
      const enqueued = this.#takeAnswers();
      const isLast = this.#starts.length === 0;
      // A cancel must not overtake the start that it is for.
      const cancels = isLast ? this.#cancels : [];
      const message = { ...NOTHING_NEW, starts, cancels, drain: isLast && this.#drain, enqueued };
      if (isLast) {
        this.#cancels = [];
        this.#drain = false;
      }
      this.#full = !this.#call.write(message);
    }
    this.#listen();
  }

  #hasNews(): boolean {
    return this.#starts.length > 0 || this.#cancels.length > 0 || this.#answers.length > 0 || this.#drain;
  }

  #resume(): void {
    this.#full = false;
    this.#flush();
  }

  #take(message: PluginMessage): void {
    if (message.ready) this.#opened.resolve();
    for (const call of message.enqueues) void this.#enqueue(call);
    this.#weigh(message);
    this.#listen();
    for (const progress of message.progress) {
      const clean = cleanProgress(progress);
      if (clean) this.#events.progress(progress, clean);
    }
    for (const saved of message.checkpoints) this.#takeCheckpoint(saved);
    if (message.logs.length > 0) this.#takeLogs(message.logs);
    for (const finish of message.finishes) {
      this.#events.ended(finish, endingOfFinish(finish, this.#events.warn));
    }
    if (message.handlersChanged) {
      const { handlers } = message.handlersChanged;
      const names = handlers.map(({ name }) => name);
      this.#events.handlersChanged(readHandlers(names, handlers, this.#events.warn));
    }
  }

  async #enqueue({ number, request = { jobs: [] } }: EnqueueCall): Promise<void> {
    const jobs = request.jobs.reduce((sum, { payload }) => sum + payload.length + ENQUEUE_JOB_COST, 0);
    const bytes = jobs + ENQUEUE_CALL_COST;
    this.#enqueuingBytes += bytes;
    const answer = await this.#events.enqueue(request);
    this.#answers.push({ answer: { ...answer, number }, bytes });
    this.#ask();
  }

  #takeAnswers(): EnqueueAnswer[] {
    const taken = firstAnswers(this.#answers);
    this.#answers = this.#answers.slice(taken.length);
    for (const { bytes } of taken) this.#enqueuingBytes -= bytes;
    return taken.map(({ answer }) => answer);
  }

  /** A plugin that talks more than anybody can keep is listened to more slowly. */
  #weigh({ logs, progress, beats, checkpoints }: PluginMessage): void {
    const count = logs.length + progress.length + beats.length + checkpoints.length;
    if (count === 0) return;
    const bytes = logs.reduce((sum, { message, fields }) => sum + message.length + fields.length, 0);
    const saved = checkpoints.reduce((sum, { checkpoint }) => sum + checkpoint.length, 0);
    this.#talk.spend(bytes + saved + count * TALK_COST);
    const debtMs = this.#talk.debtMs();
    if (debtMs === 0 || this.#owes) return;
    this.#owes = true;
    this.#env.after(debtMs, () => {
      this.#owes = false;
      this.#listen();
    });
  }

  /** Listens on, or lets the plugin wait while there is too much of it. */
  #listen(): void {
    const mustWait = this.#owes || this.#enqueuingBytes > ENQUEUING_BYTES_MAX;
    if (mustWait === this.#call.isPaused()) return;
    if (this.#call.isPaused()) this.#call.resume();
    else this.#call.pause();
  }

  /** One that is too large is worth less than the one before it. */
  #takeCheckpoint(saved: JobCheckpoint): void {
    const { length } = saved.checkpoint;
    if (length <= CHECKPOINT_BYTES_MAX) return this.#events.checkpoint(saved, saved.checkpoint);
    this.#events.warn(`a checkpoint of ${length} bytes is left out; it may have ${CHECKPOINT_BYTES_MAX}`);
  }

  /** Hands on lines of one job together. */
  #takeLogs(logs: readonly JobLog[]): void {
    let first = logs[0];
    let lines: JobLogLine[] = [];
    for (const log of logs) {
      if (first && (log.jobId !== first.jobId || log.fence !== first.fence)) {
        this.#events.log(first, lines);
        first = log;
        lines = [];
      }
      lines.push(cleanLine(log));
    }
    if (first) this.#events.log(first, lines);
  }

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#opened.reject(new Fault("failed", `The job stream ended before it was open: ${reason}.`));
    if (!this.#drained) this.#events.broken(reason);
  }
}

/** The first starts that fit into one message; at least one, however large it is. */
function takeStarts(starts: readonly JobStart[]): JobStart[] {
  let bytes = 0;
  let count = 0;
  for (const { payload, checkpoint } of starts) {
    bytes += payload.length + checkpoint.length;
    if (count > 0 && (bytes > BYTES_PER_MESSAGE_MAX || count >= STARTS_PER_MESSAGE_MAX)) break;
    count++;
  }
  return starts.slice(0, count);
}

/** The first answers that fit into one message; at least one, for however many jobs it is. */
function firstAnswers(answers: readonly Answered[]): readonly Answered[] {
  let jobs = 0;
  const past = answers.findIndex(({ answer: { response } }) => {
    jobs += response?.jobs.length ?? 1;
    return jobs > JOBS_ANSWERED_PER_MESSAGE_MAX;
  });
  return past < 0 ? answers : answers.slice(0, Math.max(1, past));
}

function startOf({ job, budget }: Attempt): JobStart {
  return {
    jobId: job.id,
    handler: job.handler,
    payload: Buffer.from(job.payload), // A copy: asking a small array for its `buffer` costs ten times as much.
    fence: job.fence,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    timeoutMs: budget.ms,
    scheduleId: job.scheduleId ?? "",
    occurrence: job.occurrence === null ? "" : formatInstant(job.occurrence),
    catchup: job.catchup,
    trigger: job.trigger,
    tenant: job.tenant,
    traceparent: job.traceparent ?? "",
    runCount: job.runCount ?? 0,
    declaredId: job.declaredId,
    checkpoint: job.checkpoint === null ? NOTHING : Buffer.from(job.checkpoint),
  };
}
