/**
 * qntx: what a plugin or a handler file imports. Types, and the few functions
 * that make a definition. The program that serves a definition is `runtime.ts`;
 * the binary carries both, so nothing needs to be installed.
 *
 * ```ts
 * import { definePlugin } from "qntx";
 *
 * export default definePlugin({
 *   name: "hello",
 *   version: "0.1.0",
 *   jobs: {
 *     async greet(job) {
 *       job.log(`greeting ${job.payload?.who ?? "world"}`);
 *       return { greeting: `Hello, ${job.payload?.who ?? "world"}!` };
 *     },
 *   },
 * });
 * ```
 */

import type { Attestations } from "./attestations.ts";
import type { Locks } from "./locks.ts";
import type { Queue } from "./queue.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Secrets } from "./secrets.ts";
import type { Services } from "./services.ts";
import type { SocketHandler } from "./socket.ts";
import type { Storage } from "./storage.ts";
import type { Web } from "./web.ts";

// biome-ignore lint: a payload is whatever JSON the caller sent.
// deno-lint-ignore no-explicit-any
// oxlint-disable-next-line no-explicit-any
export type Json = any;

export type Fields = Record<string, string | number | boolean | null>;

/** Writes one line. `log("text")` is `log.info("text")`. */
export interface JobLog {
  (message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

/** The one argument of a handler: what to do, and ways to talk about it while doing it. */
export interface Job {
  readonly id: string;
  readonly handler: string;
  /** The payload read as JSON; undefined when it is empty; text when it is not JSON. */
  readonly payload: Json;
  /** The payload as it was sent. */
  readonly bytes: Uint8Array;
  /** Which try this is, from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Milliseconds that this try may take. */
  readonly timeoutMs: number;
  /** What made the job: enqueue, schedule, run-now, backfill, retry, watcher. */
  readonly trigger: string;
  /** The host's id of the schedule that made it, like "SC_01M7…"; undefined when none did. */
  readonly scheduleId: string | undefined;
  /** The id under which the plugin declared that schedule, like "hourly". */
  readonly declaredId: string | undefined;
  /** The nominal instant, ISO 8601; the same for every attempt. */
  readonly occurrence: string | undefined;
  /** Which run of its schedule it is, from 1: the same for every attempt, and counted over restarts of everything. */
  readonly runCount: number | undefined;
  /** True when the occurrence was missed and is made up for. */
  readonly catchup: boolean;
  /** Whose job it is, where a host serves several; undefined otherwise. */
  readonly tenant: string | undefined;
  /** Aborted when the job is cancelled, times out, or the host shuts down; `reason` says which. */
  readonly signal: AbortSignal;
  readonly log: JobLog;
  progress(current: number, total?: number, message?: string): void;
  /** What the last attempt saved with `checkpoint`; undefined when none did. */
  readonly state: Json;
  /** Saves where it stands, for the next attempt: JSON of at most 64 KiB. On disk within a second; the newest counts. */
  checkpoint(state: Json): void;
  /** Says "still alive" without saying anything else. The runtime does this by itself while the event loop turns. */
  heartbeat(): void;
  /** Adds to what the job cost. */
  cost(amount: number): void;
  readonly qntx: Host;
}

/** Its return value is the job's result (JSON, or bytes as they are). Throwing fails the try. */
export type JobHandler = (job: Job) => unknown | Promise<unknown>;

export interface JobOptions {
  run: JobHandler;
  timeoutMs?: number;
  maxAttempts?: number;
  /** How long its jobs wait between tries: "exponential:2s..10m", "linear:10s..5m", "fixed:30s" or "list:1s,10s,5m". */
  retry?: string;
  /** Jobs of this handler at once. */
  concurrency?: number;
  /** Jobs of one concurrency key at once; one when absent. */
  concurrencyPerKey?: number;
  /** How many of them start in how long: "50/s", "100/m", "10/30s". */
  rate?: string;
  /** How many of them at once after a pause; what falls into a tenth of a second when absent. */
  burst?: number;
  description?: string;
}

/** Across several hosts: each runs its own copy of an occurrence, one does, or one does where somebody keeps locks. */
export type Locking = "node-local" | "require-global" | "prefer-global";

/** A schedule that the plugin declares: it exists as long as the declaration does. One that is wrong keeps the plugin from starting. */
export interface DeclaredSchedule {
  /** Unique within the plugin, and for ever: letters, digits and . _ : - (at most 128). */
  id: string;
  handler: string;
  /** An interval of at least a second ("30s", "5m", "1h30m"), a cron expression ("30 2 * * *") or a shortcut ("@hourly"). */
  when: string;
  /** IANA name, for cron and shortcuts; UTC when absent. */
  timezone?: string;
  description?: string;
  /** Each run starts up to so many milliseconds late, always by the same for the same occurrence; less than the time between two runs. */
  jitterMs?: number;
  /** What becomes of runs that nobody was there to start: the latest one (as when absent), none, the earliest one, or all (at most ten). */
  missed?: "skip" | "latest" | "earliest" | "all";
  /** Whether one node of several runs it (require-global, as when absent), or each (node-local). */
  locking?: Locking;
  /** Handed to every run; JSON, or bytes as they are. */
  payload?: Json;
  paused?: boolean;
  /** Of the runs due at the same moment, lower numbers start first; the plugin's when absent. */
  priority?: number;
  /** Milliseconds that a run may take; the handler's, or the host's `plugin.run`, when absent. */
  timeoutMs?: number;
  /** Milliseconds after its time by which a run must have started: otherwise the host says so. */
  mustStartWithinMs?: number;
  /** Milliseconds after its time by which a run must have succeeded: otherwise the host says so. */
  mustSucceedWithinMs?: number;
}

/** A key of the plugin's section of `qntx.toml`: what its value must be. The plugin gets all of them as texts. */
export interface ConfigField {
  /** A text, when absent. */
  type?: "string" | "number" | "integer" | "boolean" | "array";
  description?: string;
  /** What the plugin takes when the key is absent: for people to read. */
  default?: string | number | boolean;
  required?: boolean;
  /** Of a number. */
  min?: number;
  max?: number;
  /** Of a text: a regular expression. */
  pattern?: string;
  /** Of an array: what each of its elements is. */
  elements?: "string" | "number" | "integer" | "boolean";
}

/** A thing of the plugin on a canvas. Its parts are routes of `http`, by their paths. */
export interface Glyph {
  symbol: string;
  title: string;
  /** A short name; the title when absent. */
  label?: string;
  /** Answers with its HTML. */
  content?: string;
  css?: string;
  /** A JavaScript module that draws it, instead of the content. */
  module?: string;
  /** Pixels. */
  width?: number;
  height?: number;
}

/** Attestations that a handler runs for: each that matches becomes a job, with the attestation as its payload. */
export interface DeclaredWatcher {
  /** Unique within the plugin: letters, digits and . _ : - (at most 128). */
  id: string;
  handler: string;
  /** Any value of a field, all fields together, exactly; a field that is absent matches everything. One must be there. */
  subjects?: string[];
  predicates?: string[];
  contexts?: string[];
  actors?: string[];
  /** How many of its jobs begin in a second, at most 1,000; 10 when absent. What matches beyond that comes later. */
  maxPerSecond?: number;
}

/** Who the plugin is to its host. */
export interface PluginContext {
  /** The name under which it is installed or enabled. */
  plugin: string;
  /** Whose it is; empty when it is nobody's. */
  tenant: string;
  version: string;
  /** SHA-256 of the program that this process was started from: whole where it was installed or pinned, else the first 16 digits; empty where it runs elsewhere. */
  digest: string;
  /** What it may do now. */
  capabilities: string[];
  hostVersion: string;
}

/** What a plugin may ask of its host. */
export interface Host {
  /** The plugin's section of the configuration, as text. */
  readonly config: Readonly<Record<string, string>>;
  readonly log: JobLog;
  readonly scheduler: Scheduler;
  readonly queue: Queue;
  readonly ats: Attestations;
  /** Locks among this plugin's processes, on all hosts that have the same lock provider. */
  readonly locks: Locks;
  /** Secrets that are named for this plugin. */
  readonly secrets: Secrets;
  /** The web, through the host: it refuses what is not public. */
  readonly http: Web;
  readonly storage: Storage;
  /** What other plugins provide: models, embeddings, searches. */
  readonly services: Services;
  /** Who the plugin is, and what it may do now. Needs cap:context.read. */
  context(): Promise<PluginContext>;
  /** Replaces the plugin's handlers while it runs; live when the promise resolves. */
  setJobs(jobs: Record<string, JobHandler | JobOptions>): Promise<void>;
}

/** Answers one HTTP request below `/api/<plugin>`. */
export type HttpHandler = (request: Request, host: Host) => Response | Promise<Response>;

/** A route about which more is to be said. */
export interface HttpRoute {
  run: HttpHandler;
  /** Whether a schedule may call it; as when absent, GET and POST of a path without parameters may be. */
  schedulable?: boolean;
  description?: string;
}

export interface PluginDefinition {
  name: string;
  version: string;
  description?: string;
  author?: string;
  license?: string;
  /** Capabilities that it needs beyond the default ones. */
  capabilities?: string[];
  /** Jobs at once, over all handlers. */
  concurrency?: number;
  /** A key without a dot is announced as `<plugin>.<key>`, one with a dot as it stands. */
  jobs?: Record<string, JobHandler | JobOptions>;
  /** A list, or a function that gives one: it is called at each start, before `start`, and may take `plugin.describe` of the host. */
  schedules?: Declarations<DeclaredSchedule>;
  /** The keys of its section of `qntx.toml`: values that are something else are said, and refused by `qntx config reload`. */
  config?: Record<string, ConfigField>;
  /** What it shows on a canvas. */
  glyphs?: readonly Glyph[];
  /** Handlers that run for attestations as they are made, whoever makes them. */
  watchers?: readonly DeclaredWatcher[];
  /** Of the runs of its schedules that say none themselves; 0 when absent. */
  priority?: number;
  /** Makes it a lock provider, for hosts that name it under `[locks] provider`. Called once, after `start`. */
  locks?: (host: Host) => Locks;
  /** Keys are "METHOD /path" without the `/api/<plugin>` prefix: matched exactly, or "METHOD /path/*" for all below it. */
  http?: Record<string, HttpHandler | HttpRoute>;
  /** Speaks over each WebSocket at `/ws/<plugin>`. */
  websocket?: SocketHandler;
  /** Called once before the handlers are announced; may call `host.setJobs`. */
  start?(host: Host): void | Promise<void>;
  /** Called whenever the process is told to end, also by the host's death. */
  stop?(host: Host): void | Promise<void>;
  /** Called by the host once the last run has ended, before the process is told to end; it may take `plugin.cleanup` of the host. */
  cleanup?(): void | Promise<void>;
}

/** What a plugin declares: there, or found out when it is asked for. */
export type Declarations<T> = readonly T[] | (() => readonly T[] | Promise<readonly T[]>);

export type { Attestation, AttestationFilter, Attestations, NewAttestation } from "./attestations.ts";
export type { LockContention, LockHandle, Locks } from "./locks.ts";
export type { EnqueueOptions, Queue } from "./queue.ts";
export type { Endpoint, NewSchedule, Schedule, ScheduleChange, Scheduler } from "./scheduler.ts";
export type { Secrets } from "./secrets.ts";
export type { ServiceAddress, Services } from "./services.ts";
export type { Socket, SocketHandler, SocketMessage } from "./socket.ts";
export type { FetchOptions, Fetched, Web } from "./web.ts";
export { HostError, type HostErrorCode } from "./host-error.ts";
export type { Storage, StoredKey, StoredValue, StoreOptions } from "./storage.ts";
export { defineScheduledPlugin, type PluginSchedule, type ScheduledPlugin } from "./scheduled.ts";

/** Marks a definition as one; checked when it is loaded. */
export function definePlugin(definition: PluginDefinition): PluginDefinition {
  return definition;
}

/** Throw it to fail a job for good: no further try. */
export class PermanentError extends Error {
  override name = "PermanentError";
}

/** Throw it to fail a try and say when the next one makes sense. */
export class RetryAfterError extends Error {
  override name = "RetryAfterError";
  readonly afterMs: number;
  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** Throw it to run again later without it counting as a try. */
export class Snooze extends Error {
  override name = "Snooze";
  readonly afterMs: number;
  constructor(afterMs: number) {
    super(`snoozed for ${afterMs} ms`);
    this.afterMs = afterMs;
  }
}
