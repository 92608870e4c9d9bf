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

import type { Storage } from "./storage.ts";

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

/** What every new schedule may say. */
interface ScheduleSettings {
  name?: string;
  /** Handed to the handler, or sent to the endpoint: JSON of at most 100,000 bytes; null and undefined are none. */
  payload?: Json;
  /** Exactly one of every ("5m"), cron and at (ISO 8601 with offset). */
  every?: string;
  cron?: string;
  at?: string;
  timezone?: string;
  description?: string;
  metadata?: Record<string, string>;
  paused?: boolean;
  /** On several hosts: one of them runs it (require-global, as when absent), or each (node-local). */
  locking?: Locking;
  /** How long after its time a run must have started, and succeeded ("30s"): otherwise the host says so. */
  mustStartWithin?: string;
  mustSucceedWithin?: string;
  /** When the last run still goes on; "skip" when absent. */
  overlap?: "skip" | "buffer-one" | "buffer-all" | "cancel-other" | "terminate-other" | "allow";
  /** Of runs that nobody was there to start; "latest" when absent. */
  missed?: "latest" | "skip" | "earliest" | "all";
  /** What a run may take ("30s"), how often it is tried, and how long it waits in between, as a handler says it. */
  timeout?: string;
  maxAttempts?: number;
  retry?: string;
}

/** It runs one of the two: a handler, or one of the plugin's own routes: "POST /sync", or "/sync" where that has one method. */
export type NewSchedule = ScheduleSettings &
  ({ handler: string; endpoint?: undefined } | { endpoint: string; handler?: undefined });

/** What is absent stays; null takes away what need not be there. */
export interface ScheduleChange {
  handler?: string;
  endpoint?: string;
  every?: string;
  cron?: string;
  at?: string;
  timezone?: string | null;
  payload?: Json;
  description?: string | null;
  name?: string | null;
  locking?: Locking;
  /** Objectives, as for a new schedule. */
  mustStartWithin?: string | null;
  mustSucceedWithin?: string | null;
  overlap?: ScheduleSettings["overlap"] | null;
  missed?: ScheduleSettings["missed"] | null;
  timeout?: string | null;
  maxAttempts?: number | null;
  retry?: string | null;
  /** Refused when the schedule has changed since this revision. */
  revision?: number;
}

export interface Schedule {
  id: string;
  name: string;
  /** One of handler and endpoint is not empty. */
  handler: string;
  /** "POST /sync" */
  endpoint: string;
  payload: Json;
  every: string;
  cron: string;
  at: string;
  timezone: string;
  state: "active" | "paused" | "finished" | "deleted";
  pauseNote: string;
  nextRunAt: string;
  revision: number;
  description: string;
  metadata: Record<string, string>;
  createdAt: string;
  locking: Locking;
  /** Objectives; empty when nobody asks. */
  mustStartWithin: string;
  mustSucceedWithin: string;
  /** ISO 8601; empty when it never ran. */
  lastRunAt: string;
  /** The state of the last run's job: "completed", "retrying" … Empty when there was none, or it is not kept any more. */
  lastRunState: string;
  /** Why the last try of that job failed; empty when none did. */
  lastError: string;
  /** Occurrences that became a job, and failed runs since one completed. */
  runCount: number;
  failures: number;
  overlap: string;
  missed: string;
  /** Empty, and 0, where the host's default counts. */
  timeout: string;
  maxAttempts: number;
  retry: string;
}

/** One of the plugin's own routes below `/api/<plugin>`. */
export interface Endpoint {
  method: string;
  path: string;
  /** The name of the function that answers it. */
  handler: string;
  description: string;
  /** True when a schedule may call it. */
  schedulable: boolean;
}

/** Schedules of this plugin, at run time. Needs cap:scheduler.manage. What is refused is a HostError. */
export interface Scheduler {
  create(schedule: NewSchedule): Promise<Schedule>;
  /** Creates, or changes the schedule of this name. */
  upsert(schedule: NewSchedule & { name: string }): Promise<Schedule>;
  get(idOrName: string): Promise<Schedule | undefined>;
  list(filter?: { handler?: string; state?: string }): Promise<Schedule[]>;
  update(idOrName: string, change: ScheduleChange): Promise<Schedule>;
  pause(idOrName: string, note?: string): Promise<Schedule>;
  resume(idOrName: string): Promise<Schedule>;
  delete(idOrName: string): Promise<Schedule>;
  /** The plugin's own routes, by path. */
  getEndpoints(): Promise<Endpoint[]>;
}

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

export interface Attestation {
  id: string;
  subjects: string[];
  predicates: string[];
  contexts: string[];
  actors: string[];
  /** Milliseconds since 1970. */
  timestamp: number;
  source: string;
  attributes: Record<string, Json>;
  createdAt: number;
}

export interface NewAttestation {
  subjects: string[];
  predicates?: string[];
  contexts?: string[];
  actors?: string[];
  timestamp?: number;
  attributes?: Record<string, Json>;
}

export interface AttestationFilter {
  subjects?: string[];
  predicates?: string[];
  contexts?: string[];
  actors?: string[];
  timeStart?: number;
  timeEnd?: number;
  limit?: number;
}

export interface Attestations {
  create(attestation: NewAttestation): Promise<Attestation>;
  /** Resolves with how many were written. */
  createMany(attestations: readonly NewAttestation[]): Promise<number>;
  /** Newest first. */
  query(filter: AttestationFilter): Promise<Attestation[]>;
  exists(id: string): Promise<boolean>;
  /** Attestations that match, as they are made, until the signal ends it. */
  watch(filter: AttestationFilter, signal?: AbortSignal): AsyncIterable<Attestation>;
}

/** A lock that was taken. */
export interface LockHandle {
  /** Random: whoever has it may renew and release. */
  token: string;
  /** Greater than all that were given for this key before: what is protected can refuse a smaller one. */
  fence: number;
}

/** Why a lock was not taken. */
export interface LockContention {
  /** Who has it; empty when that is not known. */
  holder: string;
  /** Milliseconds that it is still theirs, unless they renew it; 0 when that is not known. */
  leftMs: number;
}

export interface Locks {
  /**
   * Takes a lock for a while, or says who has it; never waits. The same holder is given its
   * lock again. Rejects when nobody could say: then it may be taken, and can be asked for again.
   */
  tryLock(wish: { key: string; ttlMs: number; holder: string }): Promise<LockHandle | LockContention>;
  /** Keeps it for `ttlMs` from now. False when it ran out, or somebody else has it. */
  renew(token: string, ttlMs: number): Promise<boolean>;
  /** Gives it back. False when it was not held with this token any more. */
  release(token: string): Promise<boolean>;
}

/** What is fetched, and what becomes of it. */
export interface FetchOptions {
  /** Where there are any, the answer is attested about them; that needs cap:ats.write. */
  subjects?: readonly string[];
  /** Beside "http:get": an answer that is attested with it already is given again. */
  predicate?: string;
  /** The address when absent. */
  context?: string;
  /** Asks anew, although an answer is attested already. */
  fresh?: boolean;
}

/** What an address answered. */
export interface Fetched {
  /** Of HTTP; 404 is an answer like any other. */
  status: number;
  body: string;
  /** Empty when it was not attested. */
  attestationId: string;
}

/** The web, as far as the host lets a plugin reach it. */
export interface Web {
  /** GETs a public address; needs cap:http.fetch. Rejects with a HostError that says why not. */
  fetch(url: string, options?: FetchOptions): Promise<Fetched>;
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

/** What the operator keeps for this plugin elsewhere than in its configuration. */
export interface Secrets {
  /**
   * What `[secrets.<plugin>]` in qntx.toml names so, as it is now; needs cap:secrets.get. Rejects with a
   * HostError: "not-found" for any other name. Ask when you use it, and keep it no longer than that.
   */
  get(name: string): Promise<string>;
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
  /** Who the plugin is, and what it may do now. Needs cap:context.read. */
  context(): Promise<PluginContext>;
  /** Replaces the plugin's handlers while it runs; live when the promise resolves. */
  setJobs(jobs: Record<string, JobHandler | JobOptions>): Promise<void>;
}

/** What a browser sent over a WebSocket. */
export interface SocketMessage {
  readonly bytes: Uint8Array;
  text(): string;
  /** Throws a SyntaxError when it is not JSON. */
  json(): Json;
}

/** A WebSocket: walk through what the browser sends, until it goes. */
export interface Socket extends AsyncIterable<SocketMessage> {
  /** What stands behind the question mark of `/ws/<plugin>?…`. */
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Aborted when it is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** Resolves when there is room for the next one. Sends nothing when it is over. */
  send(data: string | Uint8Array): Promise<void>;
  /** Ends it, with a sentence for the browser. */
  close(reason?: string): void;
}

/** Speaks over one WebSocket at `/ws/<plugin>`, which is closed when it returns. */
export type SocketHandler = (socket: Socket, host: Host) => void | Promise<void>;

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
