/**
 * PluginProxy: what Pulse calls to run a job in a plugin. One for each process; when
 * the process dies, every attempt in it is settled at that moment and the proxy
 * takes no other.
 *
 * What the process prints belongs to the job that runs in it, where only one does:
 * who printed it among several, nobody can tell.
 */
import type { Quota } from "../access/quota.ts";
import type { Env, Millis } from "../base/env.ts";
import { withoutStop } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { Redactor } from "../base/redactor.ts";
import type { JobProgress } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import { isEndpoint } from "../plugin/endpoint.ts";
import type { HandlerOptions } from "../plugin/plugin.ts";
import type { Attempt, Executor, JobLogLine } from "../pulse/executor.ts";
import type { EnqueueRequest } from "../../proto/gen/qntx/v1/host.ts";
import type { EnqueueAnswer } from "../../proto/gen/qntx/v1/plugin.ts";
import type { Connection } from "./connection.ts";
import { endingOfCancel } from "./endings.ts";
import { endpointCall } from "./endpoint-call.ts";
import { EXECUTE_CALL } from "./execute-call.ts";
import { redactedLines, redactedOutcome, redactedProgress } from "./redacting.ts";
import { StreamWire } from "./stream-wire.ts";
import { type UnaryCall, UnaryWire } from "./unary-wire.ts";
import type { Width } from "./width.ts";
import type { AttemptKey, Wire } from "./wire.ts";

/** How a process came to its end: by itself, ended by us for an attempt's sake, or as somebody asked. */
export type DeathCause = "crashed" | "replaced" | "stopped";

export interface ProxyOptions {
  env: Env;
  plugin: string;
  version: string;
  /** The first digits of the SHA-256 of the file that it was started from; null where there is none. */
  digest: string | null;
  /** Whose it is; absent or empty for the host's own. */
  tenant?: string;
  concurrency: number;
  /** How much of the host it may take now, whatever it says of itself. */
  quota(): Pick<Quota, "jobsAtOnce" | "jobLogBytes">;
  log: Log;
  redactor: Redactor;
  /** Ends the process and starts another. */
  replace(reason: string): void;
  /** Ends the process, because nobody knows any more what runs in it. */
  broke(reason: string): void;
  handlersChanged(handlers: HandlerOptions[]): void;
  /** Enqueues what the plugin asks for on its stream. Never rejects. */
  enqueue(request: EnqueueRequest): Promise<Omit<EnqueueAnswer, "number">>;
}

interface Held {
  attempt: Attempt;
  resolve(outcome: Outcome): void;
}

const LAST_WORDS_MS: Millis = 200; // What a job prints last comes by another way than its end.

export class PluginProxy implements Executor {
  readonly plugin: string;
  readonly tenant: string;
  readonly version: string;
  readonly digest: string | null;
  readonly #options: ProxyOptions;
  readonly #held = new Map<string, Held>();
  #wire: Wire | null = null;
  #http: Wire | null = null;
  #width: Width | null = null;
  /** True once the plugin is told to stop: what ends afterwards did not come to its end. */
  #interrupted = false;
  #strays = 0;
  #idle: (() => void)[] = [];
  /** The last one that ran alone, for its last words. */
  #last: { attempt: Attempt; until: Millis } | null = null;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.plugin = options.plugin;
    this.tenant = options.tenant ?? "";
    this.version = options.version;
    this.digest = options.digest;
  }

  /** Opens the job stream. Rejects when the plugin does not. */
  async openStream(connection: Connection): Promise<void> {
    const wire = new StreamWire(this.#options.env, connection, {
      ...this.#events(),
      handlersChanged: this.#options.handlersChanged,
      enqueue: this.#options.enqueue,
      broken: (reason) => {
        if (this.#wire === wire) this.#options.broke(`its job stream ended: ${withoutStop(reason)}`);
      },
    });
    await wire.opened();
    this.#wire = wire;
  }

  /** Runs each job by a call of its own; as many at once as the width says, where there is one. */
  useUnary(connection: Connection, width: Width | null): void {
    this.#width = width;
    this.#wire = this.#unary(connection, EXECUTE_CALL, width);
  }

  /** Runs jobs that are for endpoints by requests; the others as has been said, or will be. */
  useHttp(connection: Connection, mayServe: () => boolean): void {
    this.#http = this.#unary(connection, endpointCall(this.plugin, mayServe), null);
  }

  #unary<Response>(connection: Connection, call: UnaryCall<Response>, width: Width | null): Wire {
    const cut = (key: AttemptKey, reason: string, alone: boolean) => {
      const message = `The connection to the plugin broke: ${withoutStop(reason)}.`;
      this.#ended(key, { kind: "lost", alone, message });
    };
    const events = { ...this.#events(), cut };
    return new UnaryWire(this.#options.env, { plugin: this.plugin, connection, call, width, events });
  }

  /** Jobs at once; of a plugin that cannot say, what is known by now. */
  get concurrency(): number {
    const { concurrency, quota } = this.#options;
    return Math.min(this.#width?.jobs ?? concurrency, quota().jobsAtOnce);
  }

  /** What one of its jobs may say. */
  get logBytesMax(): number {
    return this.#options.quota().jobLogBytes;
  }

  /** True when jobs travel over the stream. */
  get isStream(): boolean {
    return this.#wire?.isStream ?? false;
  }

  /** Attempts that run now. */
  get running(): number {
    return this.#held.size;
  }

  execute(attempt: Attempt): Promise<Outcome> {
    const wire = this.#wireOf(attempt);
    if (attempt.cancelled !== null)
      return Promise.resolve(endingOfCancel(attempt.cancelled, this.plugin, attempt));
    if (!wire) return Promise.resolve({ kind: "returned" }); // Claimed in the moment in which the process went.
    this.#settle(attempt.job.id, { kind: "lost", alone: false, message: "A newer attempt took its place." });
    return new Promise((resolve) => {
      this.#held.set(attempt.job.id, { attempt, resolve });
      attempt.onCancel = (reason) => wire.cancel(attempt, reason);
      wire.start(attempt);
    });
  }

  /** Takes what the process printed: a line of the job that runs alone in it. */
  printed(level: JobLogLine["level"], message: string): void {
    const { env } = this.#options;
    const last = this.#last && env.mono() < this.#last.until ? this.#last.attempt : undefined;
    const only = this.#held.size === 1 ? this.#held.values().next().value?.attempt : undefined;
    const attempt = this.#held.size === 0 ? last : only;
    attempt?.log([{ at: env.now(), level, message, stage: "printed", fields: "" }]);
  }

  replace(reason: string): void {
    this.#options.replace(reason);
  }

  /** Tells the plugin that no more jobs come. */
  drain(): void {
    this.#wire?.drain();
  }

  /** Tells what still runs that the plugin stops now: whatever it answers, it goes back. */
  interrupt(): void {
    this.#interrupted = true;
    for (const { attempt } of this.#held.values()) this.#wireOf(attempt)?.cancel(attempt, "shutdown");
  }

  /** Resolves when no attempt runs. */
  idle(): Promise<void> {
    return this.#held.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Settles every attempt: their process is gone. */
  died(cause: DeathCause, message: string): void {
    this.#wire = null;
    this.#http = null;
    const alone = cause === "crashed" && this.#held.size === 1;
    for (const [id, { attempt }] of this.#held) {
      if (attempt.cancelled !== null) {
        this.#settle(id, endingOfCancel(attempt.cancelled, this.plugin, attempt));
      } else {
        this.#settle(id, cause === "stopped" ? { kind: "returned" } : { kind: "lost", alone, message });
      }
    }
  }

  #wireOf({ job }: Attempt): Wire | null {
    return isEndpoint(job.handler) ? this.#http : this.#wire;
  }

  #events() {
    const { redactor } = this.#options;
    return {
      warn: (sentence: string) => this.#options.log.warn(sentence, { plugin: this.plugin }),
      ended: (key: AttemptKey, outcome: Outcome) => this.#ended(key, outcome),
      progress: (key: AttemptKey, progress: JobProgress) =>
        this.#find(key)?.attempt.progress(redactedProgress(redactor, progress)),
      checkpoint: (key: AttemptKey, checkpoint: Uint8Array) =>
        this.#find(key)?.attempt.checkpoint(checkpoint),
      log: (key: AttemptKey, lines: readonly JobLogLine[]) =>
        this.#find(key)?.attempt.log(redactedLines(redactor, lines)),
    };
  }

  #ended(key: AttemptKey, outcome: Outcome): void {
    const held = this.#find(key);
    if (!held) return;
    const { attempt } = held;
    // A handler that obeys its signal by returning early has not completed its job.
    if (attempt.cancelled !== null)
      this.#settle(key.jobId, endingOfCancel(attempt.cancelled, this.plugin, attempt));
    else if (this.#interrupted) this.#settle(key.jobId, { kind: "returned" });
    else this.#settle(key.jobId, redactedOutcome(this.#options.redactor, outcome));
  }

  /** The attempt that a message is for. What is for another one is dropped, and said, but not each time. */
  #find({ jobId, fence }: AttemptKey): Held | undefined {
    const held = this.#held.get(jobId);
    if (held && held.attempt.job.fence === fence) return held;
    this.#strays++;
    if (Number.isInteger(Math.log10(this.#strays))) {
      this.#options.log.warn("a message was for an attempt that does not run here, and is dropped", {
        plugin: this.plugin,
        job: jobId.slice(0, 64),
        fence,
        dropped: this.#strays,
      });
    }
    return undefined;
  }

  #settle(jobId: string, outcome: Outcome): void {
    const held = this.#held.get(jobId);
    if (!held) return;
    const wasAlone = this.#held.size === 1;
    this.#held.delete(jobId);
    this.#last = wasAlone ? { attempt: held.attempt, until: this.#options.env.mono() + LAST_WORDS_MS } : null;
    held.attempt.onCancel = null;
    held.resolve(outcome);
    if (this.#held.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
