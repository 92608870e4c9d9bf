/**
 * Stream: one `Jobs` call of the host. Starts what the host sends, tells it
 * what became of it, and says every two seconds which jobs are alive.
 *
 * A job belongs to the stream that started it. When the stream breaks its jobs
 * are told to end: the host counts them as lost and will start them again.
 */
import {
  type HandlerOptions,
  type HostMessage,
  type JobCancel,
  type JobStart,
  PluginMessage,
} from "../../proto/gen/qntx/v1/plugin.ts";
import { wholeNumber } from "./codec.ts";
import { finishOfError, finishOfResult, finishOfUnknown } from "./ending.ts";
import { EnqueueCalls } from "./enqueuing.ts";
import { Outbox, type Soon } from "./outbox.ts";
import type { Host, JobHandler } from "./qntx.ts";
import { type AbortWord, type JobVoice, RunningJob } from "./running.ts";

export const BEAT_MS = 2_000; // Well inside the ten seconds after which a silent holder is doubted.

/** What a stream needs of the plugin that it serves. */
export interface JobSource {
  readonly name: string;
  readonly host: Host;
  handler(name: string): JobHandler | undefined;
}

/** What a stream needs of the call that it speaks over: a gRPC call, or another pipe that keeps messages whole. */
export interface JobPipe {
  on(event: "data", listener: (message: HostMessage) => void): unknown;
  on(event: "drain" | "end" | "close", listener: () => void): unknown;
  /** False when no more should follow until "drain". */
  write(message: PluginMessage): boolean;
  end(): unknown;
}

export interface JobStreamOptions {
  /** Handlers to announce at once: the host does not know them yet. */
  changed?: HandlerOptions[] | undefined;
  onClosed?: () => void;
  /** When to send what is said: at the end of the turn, unless told otherwise. */
  soon?: Soon;
}

/** One open `Jobs` call. */
export class JobStream {
  readonly #call: JobPipe;
  readonly #source: JobSource;
  readonly #outbox: Outbox;
  readonly #voice: JobVoice;
  readonly #running = new Map<string, RunningJob>();
  readonly enqueues: EnqueueCalls;
  readonly #beats: ReturnType<typeof setInterval>;
  readonly #onClosed: (() => void) | undefined;
  #takesEnqueues = false;
  #draining = false;
  #closed = false;

  constructor(
    call: JobPipe,
    source: JobSource,
    { changed, onClosed, soon = setImmediate }: JobStreamOptions = {},
  ) {
    this.#call = call;
    this.#source = source;
    this.#onClosed = onClosed;
    this.#outbox = new Outbox((message) => call.write(message), soon);
    this.#voice = voiceInto(this.#outbox);
    this.enqueues = new EnqueueCalls((enqueue) => this.#outbox.enqueue(enqueue));
    this.#beats = setInterval(() => this.#beat(), BEAT_MS);
    this.#beats.unref();

    call.on("data", (message: HostMessage) => this.#take(message));
    call.on("drain", () => this.#outbox.resume());
    call.on("end", () => this.drain());
    call.on("close", () => this.#close());
    call.write(PluginMessage.create({ ready: true, handlersChanged: changed && { handlers: changed } }));
  }

  /** Jobs that run now. */
  get running(): number {
    return this.#running.size;
  }

  /** True while the host answers `enqueues`. */
  get takesEnqueues(): boolean {
    return this.#takesEnqueues;
  }

  /** Tells the host that the handlers are others now; resolves when it is sent. */
  announce(handlers: HandlerOptions[]): Promise<void> {
    return this.#outbox.announce({ handlers });
  }

  /** Ends the stream once the last job has ended. */
  drain(): void {
    this.#draining = true;
    this.#endWhenEmpty();
  }

  /** Tells every job to end. */
  abort(reason: AbortWord): void {
    for (const job of this.#running.values()) job.abort(reason);
  }

  #take(message: HostMessage): void {
    for (const start of message.starts) this.#start(start);
    for (const answer of message.enqueued) this.enqueues.take(answer);
    for (const cancel of message.cancels) this.#cancel(cancel);
    if (message.takesEnqueues) this.#takesEnqueues = true;
    if (message.drain) this.drain();
  }

  #start(start: JobStart): void {
    const key = keyOf(start);
    if (this.#running.has(key)) return; // The same attempt twice is one attempt.
    const handler = this.#source.handler(start.handler);
    if (!handler) {
      return this.#outbox.finish(finishOfUnknown(start.jobId, start.fence, start.handler, this.#source.name));
    }
    const job = new RunningJob(start, this.#source.host, this.#voice);
    this.#running.set(key, job);
    job.run(
      handler,
      (result) => this.#end(key, finishOfResult(job, result)),
      (error) => this.#end(key, finishOfError(job, error)),
    );
  }

  #end(key: string, finish: PluginMessage["finishes"][number]): void {
    this.#running.delete(key);
    if (this.#closed) return;
    this.#outbox.finish(finish);
    if (this.#draining) this.#endWhenEmpty();
  }

  #cancel(cancel: JobCancel): void {
    this.#running.get(keyOf(cancel))?.abort(abortWord(cancel.reason));
  }

  #beat(): void {
    for (const { start } of this.#running.values()) {
      this.#outbox.beat({ jobId: start.jobId, fence: start.fence });
    }
  }

  #endWhenEmpty(): void {
    if (this.#running.size > 0 || this.#closed) return;
    void Promise.all([this.#outbox.sent(), this.enqueues.emptied()]).then(() => {
      if (this.#running.size > 0 || !this.enqueues.isEmpty || this.#closed) return;
      this.#takesEnqueues = false;
      this.#call.end();
    });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#beats);
    this.#takesEnqueues = false;
    this.#outbox.close();
    this.enqueues.close();
    this.abort("shutdown");
    this.#onClosed?.();
  }
}

function keyOf({ jobId, fence }: { jobId: string; fence: number }): string {
  return `${jobId} ${fence}`;
}

/** A word that we do not know comes from a newer host and means at least: end. */
function abortWord(word: string): AbortWord {
  return word === "timeout" || word === "shutdown" ? word : "cancelled";
}

function voiceInto(outbox: Outbox): JobVoice {
  return {
    log: ({ start }, level, message, fields) =>
      outbox.log({
        jobId: start.jobId,
        fence: start.fence,
        level,
        message,
        at: Date.now(),
        stage: "",
        fields: fieldsText(fields),
      }),
    progress: ({ start }, current, total, message) =>
      outbox.progress({
        jobId: start.jobId,
        fence: start.fence,
        current: wholeNumber(current),
        total: wholeNumber(total),
        message: String(message),
      }),
    checkpoint: ({ start }, checkpoint) =>
      outbox.checkpoint({ jobId: start.jobId, fence: start.fence, checkpoint }),
    beat: ({ start }) => outbox.beat({ jobId: start.jobId, fence: start.fence }),
  };
}

/** Fields as JSON text. What is not JSON is left out rather than that the line is lost. */
export function fieldsText(fields: object | undefined): string {
  if (!fields) return "";
  try {
    return JSON.stringify(fields);
  } catch {
    return JSON.stringify(
      Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value)])),
    );
  }
}
