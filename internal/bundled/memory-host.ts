/**
 * MemoryHost: the SDK's `Host` in memory, for the tests of bundled plugins.
 *
 * It keeps the promises that the real host makes and a plugin leans on: queries
 * answer last written first, a name belongs to one living schedule, a deleted
 * schedule stays readable. Tests against the real host are with the host.
 */
import type {
  Attestation,
  AttestationFilter,
  Attestations,
  Fields,
  Host,
  Job,
  JobLog,
  Json,
  Locks,
  NewAttestation,
  NewSchedule,
  Queue,
  Schedule,
  ScheduleChange,
  Scheduler,
  Secrets,
  Storage,
  Web,
} from "../../sdk/typescript/qntx.ts";
import { NO_SERVICES } from "../../sdk/typescript/services.ts";

/** Attestations in an array, oldest first. */
export class MemoryAttestations implements Attestations {
  readonly rows: Attestation[] = [];
  /** Called before each write; a test throws from it to break one. */
  beforeWrite: (attestations: readonly NewAttestation[]) => void = () => {};
  queries = 0;

  async create(attestation: NewAttestation): Promise<Attestation> {
    this.beforeWrite([attestation]);
    return this.#add(attestation);
  }

  async createMany(attestations: readonly NewAttestation[]): Promise<number> {
    this.beforeWrite(attestations);
    for (const attestation of attestations) this.#add(attestation);
    return attestations.length;
  }

  async query(filter: AttestationFilter): Promise<Attestation[]> {
    this.queries += 1;
    const found = this.rows.filter((row) => matches(row, filter)).toReversed();
    return found.slice(0, filter.limit ?? found.length);
  }

  async exists(id: string): Promise<boolean> {
    return this.rows.some((row) => row.id === id);
  }

  watch(): AsyncIterable<Attestation> {
    throw new Error("MemoryAttestations cannot watch.");
  }

  /** The rows with this predicate, oldest first. */
  of(predicate: string): Attestation[] {
    return this.rows.filter((row) => row.predicates.includes(predicate));
  }

  #add(attestation: NewAttestation): Attestation {
    const createdAt = this.rows.length + 1;
    const row: Attestation = {
      predicates: ["_"],
      contexts: ["_"],
      actors: [],
      timestamp: createdAt,
      ...structuredClone(attestation),
      id: `AS_${createdAt}`,
      source: "test",
      attributes: JSON.parse(JSON.stringify(attestation.attributes ?? {})),
      createdAt,
    };
    this.rows.push(row);
    return row;
  }
}

function matches(row: Attestation, filter: AttestationFilter): boolean {
  const any = (wanted: string[] | undefined, has: string[]) =>
    wanted === undefined || wanted.length === 0 || wanted.some((value) => has.includes(value));
  return (
    any(filter.subjects, row.subjects) &&
    any(filter.predicates, row.predicates) &&
    any(filter.contexts, row.contexts) &&
    any(filter.actors, row.actors)
  );
}

/** What the host says no with: fields, as the SDK's own errors carry them. */
class Refused extends Error {
  readonly fields: readonly { field: string; message: string }[];
  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
    this.fields = [{ field, message }];
  }
}

/** Schedules in a map; nothing fires. */
export class MemoryScheduler implements Scheduler {
  readonly rows = new Map<string, Schedule>();

  async create(wanted: NewSchedule): Promise<Schedule> {
    const problem = intervalProblem(wanted.every ?? "1m");
    if (problem) throw new Refused("every", problem);
    if (this.#named(wanted.name ?? "")) throw new Refused("name", `${wanted.name} is taken.`);
    const schedule: Schedule = {
      ...NEVER_RAN,
      name: "",
      handler: "",
      endpoint: "",
      payload: undefined,
      every: "",
      cron: "",
      at: "",
      timezone: "UTC",
      description: "",
      metadata: {},
      pauseNote: "",
      nextRunAt: "2030-01-01T00:00:00Z",
      createdAt: "2029-01-01T00:00:00Z",
      locking: "require-global",
      mustStartWithin: "",
      mustSucceedWithin: "",
      ...wordsOf(wanted),
      id: `SC_${this.rows.size + 1}`,
      state: "active",
      revision: 1,
    };
    this.rows.set(schedule.id, schedule);
    return schedule;
  }

  async upsert(wanted: NewSchedule & { name: string }): Promise<Schedule> {
    const existing = this.#named(wanted.name);
    if (!existing) return this.create(wanted);
    const { every, payload } = wanted;
    return this.update(existing.id, { payload, ...(every === undefined ? {} : { every }) });
  }

  async get(idOrName: string): Promise<Schedule | undefined> {
    return this.rows.get(idOrName) ?? this.#named(idOrName);
  }

  async list(): Promise<Schedule[]> {
    return [...this.rows.values()].filter((row) => row.state !== "deleted");
  }

  async update(idOrName: string, change: ScheduleChange): Promise<Schedule> {
    return this.#change(idOrName, wordsOf(change));
  }

  async pause(idOrName: string, note = ""): Promise<Schedule> {
    return this.#change(idOrName, { state: "paused", pauseNote: note });
  }

  async resume(idOrName: string): Promise<Schedule> {
    return this.#change(idOrName, { state: "active", pauseNote: "" });
  }

  async delete(idOrName: string): Promise<Schedule> {
    return this.#change(idOrName, { state: "deleted", nextRunAt: "" });
  }

  async getEndpoints(): Promise<[]> {
    return [];
  }

  #named(name: string): Schedule | undefined {
    return [...this.rows.values()].find((row) => name !== "" && row.name === name && row.state !== "deleted");
  }

  async #change(idOrName: string, change: Partial<Schedule>): Promise<Schedule> {
    const schedule = await this.get(idOrName);
    if (!schedule || schedule.state === "deleted") throw new Error(`There is no schedule ${idOrName}.`);
    Object.assign(schedule, change, { revision: schedule.revision + 1 });
    return schedule;
  }
}

const NEVER_RAN = {
  lastRunAt: "",
  lastRunState: "",
  lastError: "",
  runCount: 0,
  failures: 0,
  overlap: "skip",
  missed: "latest",
  timeout: "",
  maxAttempts: 0,
  retry: "",
};

/** Without what was not said; null takes a text away. */
function wordsOf(said: NewSchedule | ScheduleChange): Partial<Schedule> {
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([field, value]) => [field, value ?? ""]));
}

function intervalProblem(every: string): string | undefined {
  if (!/^(\d+[dhms])+$/.test(every)) return `${JSON.stringify(every)} is not a duration.`;
  return every === "0s" ? "An interval is at least 1s." : undefined;
}

/** A host with nothing in it. */
export class MemoryHost implements Host {
  readonly config: Readonly<Record<string, string>> = {};
  readonly ats = new MemoryAttestations();
  readonly scheduler = new MemoryScheduler();
  readonly lines: string[] = [];
  readonly log: JobLog = recordingLog(this.lines);
  readonly services = NO_SERVICES;

  get queue(): Queue {
    throw new Error("MemoryHost has no queue.");
  }

  get secrets(): Secrets {
    throw new Error("MemoryHost has no secrets.");
  }

  get locks(): Locks {
    throw new Error("MemoryHost has no locks.");
  }

  get http(): Web {
    throw new Error("MemoryHost has no web.");
  }

  get storage(): Storage {
    throw new Error("MemoryHost has no storage.");
  }

  async context(): Promise<never> {
    throw new Error("MemoryHost has no context.");
  }

  async setJobs(): Promise<void> {
    throw new Error("MemoryHost has no handlers.");
  }
}

/** What a test can look at after a handler ran. */
export interface MemoryJob extends Job {
  readonly lines: string[];
  readonly steps: [current: number, total: number | undefined][];
}

/** A job for a handler under test, with `onProgress` to act while it runs. */
export function memoryJob(
  host: Host,
  payload: Json,
  { signal = new AbortController().signal, onProgress = () => {} }: Partial<MemoryJobOptions> = {},
): MemoryJob {
  const lines: string[] = [];
  const steps: MemoryJob["steps"] = [];
  return {
    id: "JB_1",
    handler: "test",
    attempt: 1,
    maxAttempts: 3,
    timeoutMs: 60_000,
    trigger: "enqueue",
    scheduleId: undefined,
    declaredId: undefined,
    occurrence: undefined,
    runCount: undefined,
    catchup: false,
    tenant: undefined,
    qntx: host,
    payload,
    signal,
    lines,
    steps,
    bytes: new TextEncoder().encode(JSON.stringify(payload) ?? ""),
    log: recordingLog(lines),
    progress(current, total) {
      steps.push([current, total]);
      onProgress(current);
    },
    state: undefined,
    checkpoint() {},
    heartbeat() {},
    cost() {},
  };
}

interface MemoryJobOptions {
  signal: AbortSignal;
  onProgress: (current: number) => void;
}

function recordingLog(lines: string[]): JobLog {
  const write = (message: string, fields?: Fields) =>
    void lines.push(fields ? `${message} ${JSON.stringify(fields)}` : message);
  return Object.assign(write, { debug: write, info: write, warn: write, error: write });
}
