/**
 * RunningJob: the object that a handler is given, and the frame it runs in.
 *
 * Fifty thousand of these are made in a second, so everything that a handler
 * may not ask for (payload as JSON, signal, log) is made when it is asked for.
 * The functions are getters, so that `const { log, progress } = job` works.
 */
import type { JobStart } from "../../proto/gen/qntx/v1/plugin.ts";
import { fromBytes, isThenable, toBytes } from "./codec.ts";
import { createJobLog, type LineOwner, lineOwner, type LogLevel } from "./log.ts";
import type { Fields, Host, Job, JobHandler, JobLog, Json } from "./qntx.ts";

export const CHECKPOINT_BYTES_MAX = 65_536; // What a host keeps: where the job stands, not what it made.

/** Why a job is told to end early: by a person, by its timeout, or because host or plugin stop. */
export type AbortWord = "cancelled" | "timeout" | "shutdown";

/** `job.signal.reason`. Its name is what every aborted call of the platform throws. */
export class JobAborted extends Error {
  override name = "AbortError";
  readonly reason: AbortWord;
  constructor(reason: AbortWord) {
    super(ABORT_SENTENCES[reason]);
    this.reason = reason;
  }
}

const ABORT_SENTENCES: Record<AbortWord, string> = {
  cancelled: "The job was cancelled.",
  timeout: "The job took longer than its timeout.",
  shutdown: "The plugin is stopping.",
};

/** Where what a job says goes while it runs: into the stream, or into the answer of a unary call. */
export interface JobVoice {
  log(job: RunningJob, level: LogLevel, message: string, fields: Fields | undefined): void;
  progress(job: RunningJob, current: number, total: number, message: string): void;
  checkpoint(job: RunningJob, checkpoint: Buffer): void;
  beat(job: RunningJob): void;
}

/** One attempt of one job. */
export class RunningJob implements Job, LineOwner {
  readonly start: JobStart;
  readonly qntx: Host;
  readonly #voice: JobVoice;
  #payload: Json;
  #state: Json;
  #parsed = false;
  #controller: AbortController | undefined;
  #aborted: JobAborted | undefined;
  #log: JobLog | undefined;
  #cost = 0;
  #ended = false;

  constructor(start: JobStart, host: Host, voice: JobVoice) {
    this.start = start;
    this.qntx = host;
    this.#voice = voice;
  }

  get id(): string {
    return this.start.jobId;
  }
  get handler(): string {
    return this.start.handler;
  }
  get bytes(): Uint8Array {
    return this.start.payload;
  }
  get attempt(): number {
    return this.start.attempt;
  }
  get maxAttempts(): number {
    return this.start.maxAttempts;
  }
  get timeoutMs(): number {
    return this.start.timeoutMs;
  }
  get trigger(): string {
    return this.start.trigger;
  }
  get scheduleId(): string | undefined {
    return this.start.scheduleId || undefined;
  }
  get declaredId(): string | undefined {
    return this.start.declaredId || undefined;
  }
  get occurrence(): string | undefined {
    return this.start.occurrence || undefined;
  }
  get runCount(): number | undefined {
    return this.start.runCount || undefined;
  }
  get catchup(): boolean {
    return this.start.catchup;
  }
  get tenant(): string | undefined {
    return this.start.tenant || undefined;
  }

  get payload(): Json {
    if (!this.#parsed) {
      this.#parsed = true;
      this.#payload = fromBytes(this.start.payload);
    }
    return this.#payload;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  get log(): JobLog {
    this.#log ??= createJobLog((level, message, fields) => {
      if (!this.#ended) this.#voice.log(this, level, message, fields);
    });
    return this.#log;
  }

  get progress(): Job["progress"] {
    return (current, total = 0, message = "") => {
      if (!this.#ended) this.#voice.progress(this, current, total, message);
    };
  }

  get state(): Json {
    if (this.#state === undefined) this.#state = fromBytes(this.start.checkpoint);
    return this.#state;
  }

  get checkpoint(): Job["checkpoint"] {
    return (state) => {
      const bytes = toBytes(state);
      if (bytes.length > CHECKPOINT_BYTES_MAX)
        throw new RangeError(
          `The checkpoint of ${this.handler} has ${bytes.length} bytes; it may have ${CHECKPOINT_BYTES_MAX}.`,
        );
      this.#state = fromBytes(bytes);
      if (!this.#ended) this.#voice.checkpoint(this, bytes);
    };
  }

  get heartbeat(): Job["heartbeat"] {
    return () => {
      if (!this.#ended) this.#voice.beat(this);
    };
  }

  get cost(): Job["cost"] {
    return (amount) => {
      if (Number.isFinite(amount)) this.#cost += amount;
    };
  }

  /** What the handler said it cost. */
  get costSum(): number {
    return this.#cost;
  }

  /** True when the handler has asked for its signal, and may have returned because of it. */
  get listens(): boolean {
    return this.#controller !== undefined;
  }

  /** Set when somebody asked the job to end early. */
  get aborted(): JobAborted | undefined {
    return this.#aborted;
  }

  /** Asks the handler to end. The first reason stays. */
  abort(reason: AbortWord): void {
    if (this.#aborted || this.#ended) return;
    this.#aborted = new JobAborted(reason);
    this.#controller?.abort(this.#aborted);
  }

  line(level: LogLevel, message: string): boolean {
    if (this.#ended) return false;
    this.#voice.log(this, level, message, undefined);
    return true;
  }

  /** Runs the handler; calls exactly one of the two when it has ended. From then on the job says nothing. */
  run(handler: JobHandler, done: (result: unknown) => void, failed: (error: unknown) => void): void {
    let result: unknown;
    try {
      result = lineOwner.run(this, handler, this);
    } catch (error) {
      this.#ended = true;
      return failed(error);
    }
    if (!isThenable(result)) {
      this.#ended = true;
      return done(result);
    }
    result.then(
      (value) => {
        this.#ended = true;
        done(value);
      },
      (error: unknown) => {
        this.#ended = true;
        failed(error);
      },
    );
  }
}
