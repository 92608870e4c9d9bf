/**
 * UnaryWire: one call for each attempt. What is called is another file's affair:
 * ExecuteJob, as QNTX does it, for plugins that do not know the job stream
 * (execute-call.ts), and HandleHTTP for endpoints (endpoint-call.ts).
 */
import { status } from "@grpc/grpc-js";
import { type Env, type Millis, sleep } from "../base/env.ts";
import type { JobProgress } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import { CANCEL_GRACE_MS } from "../pulse/attempt.ts";
import type { Attempt, JobLogLine } from "../pulse/executor.ts";
import type { Answer } from "../../sdk/typescript/channel.ts";
import { answerText, type Connection } from "./connection.ts";
import { cancelReason, endingOfCancel } from "./endings.ts";
import type { Warn } from "./guard.ts";
import { answersHealth, type Width } from "./width.ts";
import type { AttemptKey, Wire, WireEvents } from "./wire.ts";

export const DEADLINE_EXTRA_MS: Millis = 10_000; // Beyond the timeout that Pulse enforces: only for the case that it does not.
const HEALTH_LIMIT_MS: Millis = 2 * CANCEL_GRACE_MS; // Longer than Pulse waits: it decides, not we.
const DEATH_NOTICE_MS = 200; // A call fails a moment before its process is known to be dead.

/** A call that runs an attempt, and what its answer means. */
export interface UnaryCall<Response> {
  ask(
    connection: Connection,
    attempt: Attempt,
    options: { limitMs: Millis; signal: AbortSignal },
  ): Promise<Answer<Response>>;
  /** What the attempt said on its way, where it comes with the answer. */
  said?(response: Response, now: Millis): { lines: JobLogLine[]; progress: JobProgress | null };
  ending(response: Response, attempt: Attempt, warn: Warn): Outcome;
  /** The plugin is there, and gave no answer. */
  failed(code: status, details: string): Outcome;
}

export interface UnaryEvents extends WireEvents {
  /** The channel broke under an attempt, and no process is known to have died. `alone`: no other was on it. */
  cut(key: AttemptKey, reason: string, alone: boolean): void;
  warn: Warn;
}

export interface UnaryOptions<Response> {
  plugin: string;
  connection: Connection;
  call: UnaryCall<Response>;
  /** Learns from each job how many may run at once; null when the plugin has said it. */
  width: Width | null;
  events: UnaryEvents;
}

export class UnaryWire<Response> implements Wire {
  readonly isStream = false;
  readonly #env: Env;
  readonly #options: UnaryOptions<Response>;
  readonly #events: UnaryEvents;
  /** Attempts whose end is not told yet. */
  #open = 0;

  constructor(env: Env, options: UnaryOptions<Response>) {
    this.#env = env;
    this.#options = options;
    this.#events = options.events;
  }

  start(attempt: Attempt): void {
    this.#open++;
    void this.#execute(attempt).finally(() => this.#open--);
  }

  /** The call itself listens to the attempt's signal. */
  cancel(): void {}

  drain(): void {}

  async #execute(attempt: Attempt): Promise<void> {
    const { call, connection, plugin, width } = this.#options;
    const { job, budget, signal } = attempt;
    const key = { jobId: job.id, fence: job.fence };
    const asked = call.ask(connection, attempt, { limitMs: budget.ms + DEADLINE_EXTRA_MS, signal });
    void width?.watch(asked);
    const answer = await asked;
    const alone = this.#open === 1; // Those that break together all wait before any of them is told.
    if (answer.ok) this.#report(key, answer.value);
    if (signal.aborted) {
      const reason = cancelReason(signal);
      // An attempt that does not end is Pulse's affair after its grace: the process is replaced.
      if (!answer.ok && reason !== "shutdown" && !(await this.#hears())) return;
      return this.#events.ended(key, endingOfCancel(reason, plugin, attempt));
    }
    if (answer.ok) return this.#events.ended(key, call.ending(answer.value, attempt, this.#events.warn));
    if (await this.#isCut(answer.code)) return this.#events.cut(key, answerText(answer), alone);
    this.#events.ended(key, call.failed(answer.code, answer.details));
  }

  #report(key: AttemptKey, response: Response): void {
    const { lines, progress } = this.#options.call.said?.(response, this.#env.now()) ?? {};
    if (lines && lines.length > 0) this.#events.log(key, lines);
    if (progress) this.#events.progress(key, progress);
  }

  /**
   * A cancelled call is over for us at once, whether or not the plugin has heard
   * of it. One that answers another call has threads left for the next jobs; one
   * that does not, hangs in this one.
   */
  #hears(): Promise<boolean> {
    return answersHealth(this.#options.connection, HEALTH_LIMIT_MS);
  }

  /** Tells an answer of the plugin from a channel that broke: both arrive as a status. */
  async #isCut(code: status): Promise<boolean> {
    if (code === status.NOT_FOUND || code === status.UNIMPLEMENTED) return false;
    await sleep(this.#env, DEATH_NOTICE_MS);
    return !this.#options.connection.isConnected;
  }
}
