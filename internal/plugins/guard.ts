/**
 * Guard: what a plugin sends, read once at the door into our own types.
 *
 * A plugin is somebody else's program: numbers may be NaN or negative, texts
 * may be endless or hold zero bytes, names may be anything. What is wrong is
 * set right or left out with a sentence; nothing here throws.
 */
import type {
  HandlerOptions as WireHandler,
  DescribeResponse,
  JobLog,
} from "../../proto/gen/qntx/v1/plugin.ts";
import type {
  InitializeResponse,
  JobLogEntry,
  WatcherRegistration,
} from "../../proto/gen/protocol/domain.ts";
import type { PluginEndpoint } from "../access/principal.ts";
import { ATTESTATION_VALUES_MAX } from "../ats/attestation.ts";
import { type Watcher, WATCHER_FIRES_DEFAULT, WATCHER_FIRES_MAX, WATCHERS_MAX } from "../ats/watcher.ts";
import type { Millis } from "../base/env.ts";
import { messageOf, shown } from "../base/fault.ts";
import { JOB_ATTEMPTS_MAX, JOB_TIMEOUT_MAX_MS, type JobProgress } from "../job/job.ts";
import { parseRate, type Rate, RATE_COUNT_MAX } from "../base/rate.ts";
import { CUT_MARK } from "../base/redactor.ts";
import { parseRetry, type RetryPolicy } from "../base/retry.ts";
import { endpointName, ENDPOINT_CHARS_MAX, ENDPOINTS_MAX, isCallable } from "../plugin/endpoint.ts";
import { HANDLER_NAME_PATTERN, type HandlerOptions, WATCHER_ID_PATTERN } from "../plugin/plugin.ts";
import { SERVICE_WORDS, type ServiceWord } from "../plugin/service.ts";
import type { JobLogLine } from "../pulse/executor.ts";

/** A schedule that a plugin declares, before anybody has looked at it. */
export interface DeclaredSchedule {
  id: string;
  description: string;
  handler: string;
  /** `5m`, a cron expression or `@hourly`. */
  when: string;
  /** Empty means UTC. */
  timezone: string;
  jitterMs: Millis;
  missed: string;
  locking: string;
  payload: Uint8Array;
  paused: boolean;
  /** Its own, or the plugin's. */
  priority: number;
  /** What a run may take; 0 means the handler's timeout, or the host's budget. */
  timeoutMs: Millis;
  /** Objectives; 0 means that nobody asks. */
  mustStartWithinMs: Millis;
  mustSucceedWithinMs: Millis;
}

/** A plugin's wish to run a handler for attestations. */
export type DeclaredWatcher = Omit<Watcher, "plugin" | "tenant" | "queueDepth">;

/** What a plugin said about itself between its start and its registration. */
export interface Announcement {
  /** False for a plugin of QNTX, which does not know Describe. */
  described: boolean;
  capabilities: readonly string[];
  schedules: readonly DeclaredSchedule[];
  endpoints: readonly PluginEndpoint[];
  watchers: readonly DeclaredWatcher[];
  handlers: readonly HandlerOptions[];
  stream: boolean;
  /** Services that it provides for other plugins. */
  provides: readonly ServiceWord[];
  /** True when hosts may ask it for locks. */
  lockProvider: boolean;
  /** 0 means that it did not say. */
  concurrency: number;
}

/** Takes a sentence about something that was set right. */
export type Warn = (sentence: string) => void;

export const PROTOCOL = "qntx.v1";
export const HANDLERS_MAX = 10_000; // Per plugin: a saved script each, and still a map that is rebuilt in milliseconds.
export const CONCURRENCY_MAX = 10_000; // Per plugin: beyond this the limit is memory.
const MESSAGE_CHARS_MAX = 16_500; // A line that our SDKs have cut (16,384), with what they say of it.
const NAME_CHARS_MAX = 128;
const FIELDS_CHARS_MAX = 8_192;

/** Makes a text that can be stored and shown: bounded, without zero bytes, no half characters at its end. */
export function cleanText(text: string, charsMax: number): string {
  const whole = text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text;
  if (whole.length <= charsMax) return whole;
  return `${whole.slice(0, charsMax).replace(/[\uD800-\uDBFF]$/, "")}${CUT_MARK}${whole.length} characters)`;
}

/** A cost that can be added up: finite and not negative, otherwise 0. */
export function cleanCost(cost: number, warn: Warn): number {
  if (Number.isFinite(cost) && cost >= 0) return cost;
  warn(`cost ${cost} is not an amount and counts as 0`);
  return 0;
}

/** Progress that can be shown; null when nothing was said. */
export function cleanProgress(progress: JobProgress): JobProgress | null {
  const total = Math.max(0, progress.total);
  const current = Math.max(0, progress.current);
  if (total === 0 && current === 0 && progress.message === "") return null;
  return {
    total,
    current: total === 0 ? current : Math.min(current, total),
    message: cleanText(progress.message, MESSAGE_CHARS_MAX),
  };
}

/** A line from the stream. */
export function cleanLine(line: JobLog): JobLogLine {
  return {
    at: line.at > 0 ? line.at : 0,
    level: cleanLevel(line.level),
    message: cleanText(line.message, MESSAGE_CHARS_MAX),
    stage: cleanText(line.stage, NAME_CHARS_MAX),
    fields: cleanFields(line.fields),
  };
}

/**
 * A line from the answer of a unary call. A time that cannot be read becomes `now`; one
 * without its offset is UTC, whatever the zone of this process.
 */
export function cleanEntry(entry: JobLogEntry, now: Millis): JobLogLine {
  const hasOffset = /(Z|[+-]\d\d:?\d\d)$/i.test(entry.timestamp);
  const at = Date.parse(hasOffset ? entry.timestamp : `${entry.timestamp}Z`);
  return {
    at: Number.isFinite(at) ? at : now,
    level: cleanLevel(entry.level),
    message: cleanText(entry.message, MESSAGE_CHARS_MAX),
    stage: cleanText(entry.stage, NAME_CHARS_MAX),
    fields: cleanFields(entry.metadata),
  };
}

/** Reads what a plugin announced. `described` is null for one that does not know Describe. */
export function readAnnouncement(
  described: DescribeResponse | null,
  initialized: InitializeResponse,
  warn: Warn,
): Announcement {
  return {
    described: described !== null,
    capabilities: (described?.capabilities ?? []).map((name) => cleanText(name, NAME_CHARS_MAX)),
    schedules: [
      ...(described?.schedules ?? []).map((schedule) => ({
        ...schedule,
        priority: schedule.priority ?? described?.priority ?? 0,
      })),
      ...intervalSchedules(initialized.schedules, warn),
    ],
    endpoints: readEndpoints(described, warn),
    watchers: readWatchers(initialized, warn),
    handlers: readHandlers(initialized.handlerNames, described?.handlers ?? [], warn),
    stream: described?.stream ?? false,
    provides: SERVICE_WORDS.filter((word) => initialized[PROVIDER_FLAGS[word]]),
    lockProvider: described?.lockProvider ?? false,
    concurrency: Math.min(CONCURRENCY_MAX, Math.max(0, described?.concurrency ?? 0)),
  };
}

/** Reads the HTTP routes that a plugin describes. One that is none is left out with a sentence, a double one is one. */
export function readEndpoints(described: DescribeResponse | null, warn: Warn): PluginEndpoint[] {
  const endpoints = new Map<string, PluginEndpoint>();
  for (const { method, path, ...said } of described?.endpoints ?? []) {
    const name = endpointName({ method, path });
    if (!/^[A-Z]{1,16}$/.test(method) || !/^\/\S*$/.test(path) || name.length > ENDPOINT_CHARS_MAX) {
      warn(
        `endpoint ${shown(name)} is left out: it is not like "POST /sync", of at most ${ENDPOINT_CHARS_MAX}`,
      );
    } else if (endpoints.size >= ENDPOINTS_MAX) {
      warn(`endpoint ${name} and those after it are left out: a plugin may announce ${ENDPOINTS_MAX}`);
      break;
    } else {
      const handler = cleanText(said.handler, NAME_CHARS_MAX);
      const description = cleanText(said.description, MESSAGE_CHARS_MAX);
      const schedulable = said.schedulable && isCallable({ method, path });
      endpoints.set(name, { method, path, handler, description, schedulable });
    }
  }
  return [...endpoints.values()];
}

/** Reads its watchers. One that cannot be kept is left out with a sentence: a plugin is worth more than one of its watchers. */
function readWatchers({ watchers, handlerNames }: InitializeResponse, warn: Warn): DeclaredWatcher[] {
  const kept = new Map<string, DeclaredWatcher>();
  for (const watcher of watchers) {
    const wrong = wrongWith(watcher) ?? (kept.has(watcher.id) ? "another one has that id" : null);
    if (wrong !== null) warn(`watcher ${shown(watcher.id)} is left out: ${wrong}`);
    else if (kept.size < WATCHERS_MAX) kept.set(watcher.id, readWatcher(watcher, warn));
    else warn(`watcher ${watcher.id} is left out: a plugin may have ${WATCHERS_MAX}`);
  }
  for (const { id, handler } of kept.values()) {
    if (handlerNames.includes(handler)) continue;
    warn(
      `watcher ${id} runs ${shown(handler)}, which the plugin does not announce: its jobs wait until it does`,
    );
  }
  return [...kept.values()];
}

function wrongWith({ id, handlerName, subjects, predicates, contexts, actors }: WatcherRegistration) {
  const fields = { subjects, predicates, contexts, actors };
  if (!WATCHER_ID_PATTERN.test(id)) return 'an id is letters, digits, "_", ".", ":" and "-", at most 128';
  if (!HANDLER_NAME_PATTERN.test(handlerName)) return `${shown(handlerName)} is no name of a handler`;
  if (Object.values(fields).every((values) => values.length === 0))
    return "it names no subjects, predicates, contexts or actors, and would run for every attestation";
  const long = Object.entries(fields).find(([, values]) => values.length > ATTESTATION_VALUES_MAX);
  return long ? `it has ${long[1].length} ${long[0]}; ${ATTESTATION_VALUES_MAX} are allowed` : null;
}

function readWatcher(watcher: WatcherRegistration, warn: Warn): DeclaredWatcher {
  const { id, handlerName: handler, subjects, predicates, contexts, actors } = watcher;
  const asked = watcher.maxFiresPerSecond;
  if (asked > WATCHER_FIRES_MAX)
    warn(`watcher ${id} asks for ${asked} jobs a second and gets ${WATCHER_FIRES_MAX}`);
  const firesPerSecondMax = asked > 0 ? Math.min(asked, WATCHER_FIRES_MAX) : WATCHER_FIRES_DEFAULT;
  return { id, handler, subjects, predicates, contexts, actors, firesPerSecondMax };
}

const PROVIDER_FLAGS = {
  llm: "llmProvider",
  embedding: "embeddingProvider",
  vectorSearch: "vectorSearchProvider",
  search: "searchProvider",
} as const satisfies Record<ServiceWord, keyof InitializeResponse>;

/** Puts announced names and their options together. A bad name is left out with a sentence, a double one is one. */
export function readHandlers(
  names: readonly string[],
  options: readonly WireHandler[],
  warn: Warn,
): HandlerOptions[] {
  const byName = new Map(options.map((option) => [option.name, option]));
  const handlers: HandlerOptions[] = [];
  for (const name of new Set(names)) {
    if (!HANDLER_NAME_PATTERN.test(name)) {
      warn(
        `handler ${shown(name)} is left out: a name is letters, digits, "_", ".", ":" and "-", at most 128`,
      );
    } else if (handlers.length >= HANDLERS_MAX) {
      warn(`handler ${name} and those after it are left out: a plugin may announce ${HANDLERS_MAX}`);
      break;
    } else {
      handlers.push(readOptions(name, byName.get(name), warn));
    }
  }
  return handlers;
}

function readOptions(name: string, option: WireHandler | undefined, warn: Warn): HandlerOptions {
  return {
    name,
    timeoutMs: limited(option?.timeoutMs, JOB_TIMEOUT_MAX_MS),
    maxAttempts: limited(option?.maxAttempts, JOB_ATTEMPTS_MAX),
    concurrencyPerKey: limited(option?.concurrencyPerKey, CONCURRENCY_MAX),
    rate: readRate(name, option?.rate ?? "", warn),
    burst: limited(option?.burst, RATE_COUNT_MAX),
    retry: readRetry(name, option?.retry ?? "", warn),
    concurrency: limited(option?.concurrency, CONCURRENCY_MAX),
    description: cleanText(option?.description ?? "", MESSAGE_CHARS_MAX),
  };
}

/** One that cannot be read counts as not said: the handler is worth more than its waits. */
function readRetry(name: string, text: string, warn: Warn): RetryPolicy | null {
  if (text === "") return null;
  try {
    return parseRetry(text, "retry");
  } catch (error) {
    warn(`retry of handler ${name} is left out: ${messageOf(error)}`);
    return null;
  }
}

/** One that cannot be read counts as not said, aloud. */
function readRate(name: string, text: string, warn: Warn): Rate | null {
  if (text === "") return null;
  try {
    return parseRate(text, "rate");
  } catch (error) {
    warn(`rate of handler ${name} is left out: ${messageOf(error)}`);
    return null;
  }
}

/** Zero and less mean that nothing was said. */
function limited(value: number | undefined, max: number): number | null {
  return value === undefined || value <= 0 ? null : Math.min(value, max);
}

/** QNTX's declared schedules: one per handler, an interval in seconds. */
function intervalSchedules(schedules: InitializeResponse["schedules"], warn: Warn): DeclaredSchedule[] {
  return schedules.flatMap((schedule, i) => {
    const { handlerName: handler, intervalSeconds, description } = schedule;
    if (intervalSeconds <= 0) {
      warn(`the schedule of ${shown(handler)} is left out: it says no interval`);
      return [];
    }
    const isFirst = schedules.findIndex((other) => other.handlerName === handler) === i;
    return {
      id: isFirst ? handler : `${handler}:${i}`,
      description,
      handler,
      when: `${intervalSeconds}s`,
      timezone: "",
      jitterMs: 0,
      missed: "",
      locking: "",
      payload: new Uint8Array(),
      paused: !schedule.enabledByDefault,
      priority: 0,
      timeoutMs: 0,
      mustStartWithinMs: 0,
      mustSucceedWithinMs: 0,
    };
  });
}

function cleanLevel(level: string): JobLogLine["level"] {
  const word = level.toLowerCase();
  if (word === "debug" || word === "warn" || word === "error") return word;
  if (word === "warning") return "warn";
  return word === "fatal" || word === "critical" ? "error" : "info";
}

/** Fields are a JSON object or nothing. */
function cleanFields(text: string): string {
  if (text === "" || text === "{}") return "";
  if (text.length > FIELDS_CHARS_MAX || !text.startsWith("{")) return "";
  try {
    JSON.parse(text);
    return text.replaceAll("\\u0000", "\\ufffd");
  } catch {
    return "";
  }
}
