/**
 * Outbox: everything that jobs have to say, gathered and sent once a turn of
 * the event loop. One message with a hundred endings costs hardly more than one
 * with a single ending, and that is what carries fifty thousand jobs a second.
 *
 * When the host does not read, endings wait without limit (the host knows how
 * many jobs it started) but lines do not: beyond a limit they are counted and
 * dropped, and a line in their place says how many.
 */
import type {
  EnqueueCall,
  HandlersChanged,
  JobBeat,
  JobCheckpoint,
  JobFinish,
  JobLog,
  JobProgress,
  PluginMessage,
} from "../../proto/gen/qntx/v1/plugin.ts";

export const MESSAGE_ITEMS_MAX = 2_000; // Per message: keeps encoding one below some milliseconds.
export const MESSAGE_BYTES_MAX = 1_048_576; // Per message, but for its last item: far below gRPC's own 4 MiB.
export const LOGS_WAITING_BYTES_MAX = 16_777_216; // Lines that wait until the host reads, which it cannot before a loop that prints has ended; it keeps 8 MiB of a job.
export const LINE_BYTES = 64; // Of a line beside its text.
export const LOG_CHARS_MAX = 16_384; // Of one line; the rest of it is cut.

/** Sends a message; false when the host does not keep up and no more should follow until `resume`. */
export type Send = (message: PluginMessage) => boolean;

export type Soon = (work: () => void) => void;

interface Gap {
  log: JobLog;
  lines: number;
}

/** Gathers what is said in one turn and sends it at its end. */
export class Outbox {
  readonly #send: Send;
  readonly #soon: Soon;
  readonly #gaps = new Map<string, Gap>();
  #logs: JobLog[] = [];
  #logBytes = 0;
  #progress = new Map<string, JobProgress>();
  #checkpoints = new Map<string, JobCheckpoint>();
  #beats: JobBeat[] = [];
  #finishes: JobFinish[] = [];
  #enqueues: EnqueueCall[] = [];
  #hastened = false;
  #handlers: HandlersChanged | undefined;
  #asked = false;
  #waiting = false;
  #closed = false;
  #whenSent: (() => void)[] = [];

  /** `soon` runs what it is given when this turn's promises have settled, or at once where nobody may wait for that. */
  constructor(send: Send, soon: Soon) {
    this.#send = send;
    this.#soon = soon;
  }

  finish(finish: JobFinish): void {
    this.#finishes.push(finish);
    this.#ask();
  }

  log(log: JobLog): void {
    if (this.#logBytes >= LOGS_WAITING_BYTES_MAX) return this.#drop(log);
    const { length } = log.message;
    if (length > LOG_CHARS_MAX)
      log.message = `${log.message.slice(0, LOG_CHARS_MAX)}… (cut: ${length} characters)`;
    this.#logs.push(log);
    this.#logBytes += sizeOfLog(log);
    this.#ask();
  }

  /** Only the newest progress of a job in one turn is sent. */
  progress(progress: JobProgress): void {
    this.#progress.set(`${progress.jobId} ${progress.fence}`, progress);
    this.#ask();
  }

  /** Only the newest checkpoint of a job in one turn is sent. */
  checkpoint(checkpoint: JobCheckpoint): void {
    this.#checkpoints.set(`${checkpoint.jobId} ${checkpoint.fence}`, checkpoint);
    this.#ask();
  }

  beat(beat: JobBeat): void {
    this.#beats.push(beat);
    this.#ask();
  }

  /** Sends jobs to enqueue when this turn has run: somebody waits for them, and for nothing else. */
  enqueue(call: EnqueueCall): void {
    this.#enqueues.push(call);
    if (this.#hastened) return;
    this.#hastened = true;
    process.nextTick(() => {
      this.#hastened = false;
      this.#flush();
    });
  }

  /** Announces other handlers; resolves when that is sent. */
  announce(handlers: HandlersChanged): Promise<void> {
    this.#handlers = handlers;
    this.#ask();
    return this.sent();
  }

  /** Resolves when all that was said so far is sent, or can no longer be. */
  sent(): Promise<void> {
    if (this.#closed || this.#isEmpty()) return Promise.resolve();
    return new Promise((resolve) => this.#whenSent.push(resolve));
  }

  /** The host reads again. */
  resume(): void {
    this.#waiting = false;
    this.#flush();
  }

  /** Nothing can be sent any more. */
  close(): void {
    this.#closed = true;
    this.#settleSent();
  }

  #ask(): void {
    if (this.#asked || this.#closed) return;
    this.#asked = true;
    this.#soon(() => {
      this.#asked = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (!this.#closed && !this.#waiting && !this.#isEmpty()) this.#waiting = !this.#send(this.#take());
    if (this.#isEmpty()) this.#settleSent();
  }

  #settleSent(): void {
    for (const resolve of this.#whenSent.splice(0)) resolve();
  }

  #isEmpty(): boolean {
    return (
      this.#finishes.length === 0 &&
      this.#enqueues.length === 0 &&
      this.#logs.length === 0 &&
      this.#beats.length === 0 &&
      this.#progress.size === 0 &&
      this.#checkpoints.size === 0 &&
      this.#gaps.size === 0 &&
      this.#handlers === undefined
    );
  }

  /** The next message: lines before endings, because a job that has ended says nothing. */
  #take(): PluginMessage {
    const logs = take(this.#logs, sizeOfLog);
    const linesLeft = logs.length < this.#logs.length;
    this.#logs = this.#logs.slice(logs.length);
    for (const log of logs) this.#logBytes -= sizeOfLog(log);
    if (!linesLeft) logs.push(...this.#takeGaps());

    const finishes = linesLeft ? [] : take(this.#finishes, sizeOfFinish);
    this.#finishes = this.#finishes.slice(finishes.length);

    const enqueues = take(this.#enqueues, sizeOfEnqueue);
    this.#enqueues = this.#enqueues.slice(enqueues.length);

    const message: PluginMessage = {
      enqueues,
      finishes,
      logs,
      progress: [...this.#progress.values()],
      checkpoints: [...this.#checkpoints.values()],
      beats: this.#beats,
      handlersChanged: this.#handlers,
      ready: false,
    };
    this.#beats = [];
    this.#progress = this.#progress.size === 0 ? this.#progress : new Map();
    this.#checkpoints = this.#checkpoints.size === 0 ? this.#checkpoints : new Map();
    this.#handlers = undefined;
    return message;
  }

  #drop(log: JobLog): void {
    const gap = this.#gaps.get(log.jobId);
    if (gap) gap.lines++;
    else this.#gaps.set(log.jobId, { log, lines: 1 });
  }

  #takeGaps(): JobLog[] {
    const gaps = [...this.#gaps.values()];
    this.#gaps.clear();
    return gaps.map(({ log, lines }) => ({
      ...log,
      level: "warn",
      message: `${lines} lines were dropped here: the job said more than could be sent.`,
      fields: "",
    }));
  }
}

/** The first items that fit into one message; at least one, however large it is. */
function take<T>(items: T[], sizeOf: (item: T) => number): T[] {
  let bytes = 0;
  let count = 0;
  for (const item of items) {
    bytes += sizeOf(item);
    if (count > 0 && (bytes > MESSAGE_BYTES_MAX || count >= MESSAGE_ITEMS_MAX)) break;
    count++;
  }
  return items.slice(0, count);
}

function sizeOfLog({ message, fields }: JobLog): number {
  return message.length + fields.length + LINE_BYTES;
}

function sizeOfEnqueue({ request }: EnqueueCall): number {
  return (request?.jobs ?? []).reduce((sum, { payload }) => sum + payload.length, 0);
}

function sizeOfFinish(finish: JobFinish): number {
  return finish.result.length + (finish.error ? finish.error.message.length + finish.error.stack.length : 0);
}
