/**
 * UnaryWire: one ExecuteJob call for each attempt, as QNTX does it, for plugins
 * that do not know the job stream. Logs and progress arrive with the answer.
 */
import { status } from "@grpc/grpc-js";
import type { ExecuteJobResponse } from "../../proto/gen/protocol/domain.ts";
import { type Env, type Millis, sleep } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import { CANCEL_GRACE_MS } from "../pulse/attempt.ts";
import type { Attempt } from "../pulse/executor.ts";
import { answerText, type Connection } from "./connection.ts";
import { cancelReason, endingOfCancel, endingOfResponse, endingOfRpcError } from "./endings.ts";
import { cleanEntry, cleanProgress, type Warn } from "./guard.ts";
import { answersHealth, type Width } from "./width.ts";
import type { AttemptKey, Wire, WireEvents } from "./wire.ts";

export const DEADLINE_EXTRA_MS: Millis = 10_000; // Beyond the timeout that Pulse enforces: only for the case that it does not.
const HEALTH_LIMIT_MS: Millis = 2 * CANCEL_GRACE_MS; // Longer than Pulse waits: it decides, not we.
const DEATH_NOTICE_MS = 200; // A call fails a moment before its process is known to be dead.
const LOG_ENTRIES_MAX = 10_000; // Per answer.

export interface UnaryEvents extends WireEvents {
  /** The channel broke under an attempt, and no process is known to have died. `alone`: no other was on it. */
  cut(key: AttemptKey, reason: string, alone: boolean): void;
  warn: Warn;
}

export interface UnaryOptions {
  plugin: string;
  connection: Connection;
  /** Learns from each job how many may run at once; null when the plugin has said it. */
  width: Width | null;
  events: UnaryEvents;
}

export class UnaryWire implements Wire {
  readonly isStream = false;
  readonly #env: Env;
  readonly #plugin: string;
  readonly #connection: Connection;
  readonly #width: Width | null;
  readonly #events: UnaryEvents;
  /** Attempts whose end is not told yet. */
  #open = 0;

  constructor(env: Env, { plugin, connection, width, events }: UnaryOptions) {
    this.#env = env;
    this.#plugin = plugin;
    this.#connection = connection;
    this.#width = width;
    this.#events = events;
  }

  start(attempt: Attempt): void {
    this.#open++;
    void this.#execute(attempt).finally(() => this.#open--);
  }

  /** The call itself listens to the attempt's signal. */
  cancel(): void {}

  drain(): void {}

  async #execute(attempt: Attempt): Promise<void> {
    const { job, budget, signal } = attempt;
    const key = { jobId: job.id, fence: job.fence };
    const request = {
      jobId: job.id,
      handlerName: job.handler,
      payload: Buffer.from(job.payload.buffer, job.payload.byteOffset, job.payload.byteLength),
      timeoutSecs: Math.ceil(budget.ms / 1_000),
    };
    const call = this.#connection.executeJob(request, {
      headers: headersOf(attempt),
      limitMs: budget.ms + DEADLINE_EXTRA_MS,
      signal,
    });
    void this.#width?.watch(call);
    const answer = await call;
    const alone = this.#open === 1; // Those that break together all wait before any of them is told.
    if (answer.ok) this.#report(key, answer.value);
    if (signal.aborted) {
      const reason = cancelReason(signal);
      // An attempt that does not end is Pulse's affair after its grace: the process is replaced.
      if (!answer.ok && reason !== "shutdown" && !(await this.#hears())) return;
      return this.#events.ended(key, endingOfCancel(reason, this.#plugin, attempt));
    }
    if (answer.ok) return this.#events.ended(key, endingOfResponse(answer.value, this.#events.warn));
    if (await this.#isCut(answer.code)) return this.#events.cut(key, answerText(answer), alone);
    this.#events.ended(key, endingOfRpcError(answer.code, answer.details));
  }

  #report(key: AttemptKey, response: ExecuteJobResponse): void {
    const entries = response.logEntries.slice(0, LOG_ENTRIES_MAX);
    const now = this.#env.now();
    if (entries.length > 0) {
      this.#events.log(
        key,
        entries.map((entry) => cleanEntry(entry, now)),
      );
    }
    const { progressCurrent: current, progressTotal: total } = response;
    const progress = total > 0 ? cleanProgress({ current, total, message: "" }) : null;
    if (progress) this.#events.progress(key, progress);
  }

  /**
   * A cancelled call is over for us at once, whether or not the plugin has heard
   * of it. One that answers another call has threads left for the next jobs; one
   * that does not, hangs in this one.
   */
  #hears(): Promise<boolean> {
    return answersHealth(this.#connection, HEALTH_LIMIT_MS);
  }

  /** Tells an answer of the plugin from a channel that broke: both arrive as a status. */
  async #isCut(code: status): Promise<boolean> {
    if (code === status.NOT_FOUND || code === status.UNIMPLEMENTED) return false;
    await sleep(this.#env, DEATH_NOTICE_MS);
    return !this.#connection.isConnected;
  }
}

/**
 * What QNTX's message has no field for, as headers beside it: who does not know them
 * does not see them. Headers are ASCII, so other characters are written as %E2%82%AC.
 */
function headersOf({ job }: Attempt): Record<string, string> {
  const facts = {
    attempt: job.attempt,
    "max-attempts": job.maxAttempts,
    trigger: job.trigger,
    tenant: job.tenant,
    "schedule-id": job.scheduleId,
    "declared-id": job.declaredId,
    occurrence: job.occurrence === null ? null : formatInstant(job.occurrence),
    "run-count": job.runCount,
    catchup: job.catchup ? "true" : null,
    traceparent: job.traceparent,
  };
  const said = Object.entries(facts).filter(([, value]) => value !== null && value !== "");
  return Object.fromEntries(said.map(([key, value]) => [`qntx-${key}`, asciiOf(String(value))]));
}

function asciiOf(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+|%/g, encodeURIComponent);
}
