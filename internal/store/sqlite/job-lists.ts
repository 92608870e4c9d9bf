/**
 * Lists and counts of jobs in SQLite, also when there are millions. A list is read
 * through the index that leaves the fewest to look through, and a count along the
 * smallest one: in stretches of some milliseconds, between which others have their
 * turn. So of jobs that move meanwhile, a count may miss some or have them twice.
 *
 * Few that match among very many take long to find. A page that has looked for a
 * while ends with what it has, maybe with nothing, and its cursor leads on.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { Turns } from "../../base/turns.ts";
import { type Job, JOB_STATES, type JobState } from "../../job/job.ts";
import type { JobFilter, QueuedLane } from "../jobs.ts";
import type { Page, PageRequest } from "../page.ts";
import { type JobRow, readJob } from "./job-row.ts";
import { readPage } from "./page.ts";

const STRETCH_ROWS = 25_000; // Some milliseconds.
const LOOK_MS_MAX: Millis = 50; // Whoever asked for a page hears something after that.
const QUEUED_MANY = 20_000; // To sort so many for a list takes some milliseconds.
const PAGE_BYTES_MAX = 16_777_216; // Payloads and results: a page of a thousand large ones would be a gigabyte.

type Values = Record<string, string | number | null>;

/** A place in line: those that stand there stand in the order in which they came. */
interface Place {
  lane: string;
  crowded: number;
  priority: number;
}

export class JobLists {
  readonly #env: Env;
  readonly #db: Database;
  readonly #ends: Statement<{ oldest: number; newest: number }, []>;
  readonly #queuedSome: Statement<{ count: number }, [Values]>;
  readonly #nextHandler: Statement<{ handler: string }, [Values]>;
  readonly #nextPlace: Statement<Place, [Values]>;
  readonly #nextLane: Statement<{ lane: string }, [Values]>;
  readonly #running: Statement<{ count: number }, []>;
  #counting: Promise<QueuedLane[]> | null = null;

  constructor(env: Env, db: Database) {
    this.#env = env;
    this.#db = db;
    this.#ends = db.prepare(ENDS);
    this.#queuedSome = db.prepare(QUEUED_SOME);
    this.#nextHandler = db.prepare(NEXT_HANDLER);
    this.#nextPlace = db.prepare(NEXT_PLACE);
    this.#nextLane = db.prepare(NEXT_LANE);
    this.#running = db.prepare(RUNNING);
  }

  /** One page, newest first. */
  async page(filter: JobFilter, page: PageRequest): Promise<Page<Job>> {
    const { limit, before } = readPage(page);
    const by = this.#narrowing(filter);
    const statement = this.#db.query<JobRow, Values>(JOB_LIST_SQL[by]);
    const { oldest, newest } = this.#ends.get() ?? { oldest: 0, newest: 0 };
    const stretch = isShort(filter, by) ? Number.MAX_SAFE_INTEGER : STRETCH_ROWS;
    const until = this.#env.mono() + LOOK_MS_MAX;
    const turns = new Turns(this.#env);
    const found = new Found(limit);
    for (let to = Math.min(before, newest + 1); to > oldest;) {
      const from = Math.max(oldest, to - stretch);
      found.take(statement.iterate({ ...values(filter), from, before: to, limit: found.wanted }));
      if (found.isFull) break;
      if (from > oldest && this.#env.mono() >= until) return found.page(from);
      to = from;
      await turns.give();
    }
    return found.page(null);
  }

  /** How a list is found: by what leaves the fewest jobs to look through. */
  #narrowing({ state, handler, scheduleId, parentId, owner }: JobFilter): By {
    if (scheduleId) return "schedule";
    if (parentId) return "parent";
    // When very many are queued, the newest jobs are: sorting all of them took 200 ms for a million.
    const isMost =
      state === "completed" ||
      (state === "queued" && this.#queuedSome.get({ limit: QUEUED_MANY })?.count === QUEUED_MANY);
    if (state && !isMost) return state;
    if (handler) return "handler";
    return owner?.startsWith("plugin:") ? "owner" : "all";
  }

  /** By state. Nobody counts the completed ones: they are the rest. */
  async counts(): Promise<Record<JobState, number>> {
    const turns = new Turns(this.#env);
    const queued = (await this.#lanes(turns)).reduce((sum, { count }) => sum + count, 0);
    const counts = new Map<JobState, number>([
      ["running", this.#running.get()?.count ?? 0],
      ["queued", queued],
    ]);
    for (const state of RESTING) counts.set(state, await this.#along(COUNT_SQL[state], {}, turns));
    const others = [...counts.values()].reduce((sum, count) => sum + count, 0);
    counts.set("completed", Math.max(0, (await this.#all(turns)) - others));
    const pairs = JOB_STATES.map((state) => [state, counts.get(state) ?? 0] as const);
    return Object.fromEntries(pairs) as Record<JobState, number>;
  }

  /** Queued jobs of each lane, and how many of them are crowded. Whoever asks while they are counted gets the same answer. */
  queuedLanes(): Promise<QueuedLane[]> {
    return this.#lanes(new Turns(this.#env));
  }

  lanesQueued(max: number): string[] | null {
    const lanes: string[] = [];
    for (let of = this.#nextLane.get({ lane: "" }); of; of = this.#nextLane.get({ ...of }))
      if (lanes.push(of.lane) > max) return null;
    return lanes;
  }

  #lanes(turns: Turns): Promise<QueuedLane[]> {
    return (this.#counting ??= this.#countLanes(turns).finally(() => (this.#counting = null)));
  }

  async #countLanes(turns: Turns): Promise<QueuedLane[]> {
    const lanes = new Map<string, QueuedLane>();
    let place = this.#nextPlace.get({ lane: "", crowded: 0, priority: 0 });
    for (; place; place = this.#nextPlace.get({ ...place })) {
      const { lane, crowded } = place;
      const count = await this.#along(COUNT_SQL.queued, { ...place }, turns);
      const known = lanes.get(lane) ?? { lane, count: 0, crowded: 0 };
      lanes.set(lane, { lane, count: known.count + count, crowded: known.crowded + crowded * count });
    }
    return [...lanes.values()];
  }

  async #all(turns: Turns): Promise<number> {
    let count = 0;
    let of = this.#nextHandler.get({ handler: "" });
    for (; of; of = this.#nextHandler.get({ ...of }))
      count += await this.#along(COUNT_SQL.handler, { ...of }, turns);
    return count;
  }

  /** Counts along an index, from stretch to stretch. */
  async #along({ jump, rest }: CountSql, of: Values, turns: Turns): Promise<number> {
    const jumps = this.#db.query<{ seq: number }, Values>(jump);
    let count = 0;
    let seq = 0;
    for (let next = jumps.get({ ...of, seq }); next; next = jumps.get({ ...of, seq })) {
      count += STRETCH_ROWS;
      seq = next.seq;
      await turns.give();
    }
    await turns.give();
    return count + (this.#db.query<{ count: number }, Values>(rest).get({ ...of, seq })?.count ?? 0);
  }
}

/** What was found for a page so far: at most one row too many, which only says that there are more. */
class Found {
  readonly #limit: number;
  readonly #rows: JobRow[] = [];
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many rows are wanted still. */
  get wanted(): number {
    return this.#limit + 1 - this.#rows.length;
  }

  get isFull(): boolean {
    return this.wanted === 0 || (this.#bytes > PAGE_BYTES_MAX && this.#rows.length > 1);
  }

  take(rows: Iterable<JobRow>): void {
    for (const row of rows) {
      this.#rows.push(row);
      this.#bytes += row.payload.length + (row.result?.length ?? 0);
      if (this.isFull) return;
    }
  }

  /** What was found. `before` is where the next page goes on when the look ended early. */
  page(before: number | null): Page<Job> {
    const rows = this.isFull ? this.#rows.slice(0, -1) : this.#rows;
    const last = this.isFull ? (rows.at(-1)?.seq ?? null) : before;
    return { items: rows.map(readJob), cursor: last === null ? null : String(last) };
  }
}

/** True when no stretch is long: what the index has is few, or all of it is looked for. */
function isShort(filter: JobFilter, by: By): boolean {
  if (by === "queued" || by === "running") return true;
  const said = Object.values(filter).filter((value) => value !== undefined).length;
  return said === 0 || (said === 1 && by !== "all");
}

function values({ state, handler, plugin, scheduleId, parentId, owner, tenant }: JobFilter): Values {
  return {
    state: state ?? null,
    handler: handler ?? null,
    plugin: plugin ?? null,
    scheduleId: scheduleId ?? null,
    parentId: parentId ?? null,
    owner: owner ?? null,
    tenant: tenant ?? null,
  };
}

/**
 * One page of jobs, newest first. The inner select reads an index, in the words of that index; whole rows, with
 * their payloads, are fetched for the page alone. Left alone, the planner walks all jobs from the newest on, to save
 * itself sorting the three that run.
 */
function list(from: string, narrow: string): string {
  return `
  SELECT *
    FROM job
   WHERE seq IN (
           SELECT seq
             FROM ${from}
            WHERE ${narrow}
              AND seq >= $from
              AND seq < $before
              AND ($state      IS NULL OR state       = $state)
              AND ($handler    IS NULL OR handler     = $handler)
              AND ($plugin     IS NULL OR plugin      = $plugin)
              AND ($scheduleId IS NULL OR schedule_id = $scheduleId)
              AND ($parentId   IS NULL OR parent_id   = $parentId)
              AND ($owner      IS NULL OR owner       = $owner)
              AND ($tenant     IS NULL OR tenant      = $tenant)
            ORDER BY seq DESC
            LIMIT $limit + 0)
   ORDER BY seq DESC`;
}

const RESTING = ["scheduled", "retrying", "paused", "failed", "cancelled"] as const;
type Resting = (typeof RESTING)[number];
type By = Resting | "queued" | "running" | "handler" | "schedule" | "parent" | "owner" | "all";

/** The list query for each way to narrow it. */
export const JOB_LIST_SQL: Record<By, string> = {
  all: list("job NOT INDEXED", "TRUE"),
  handler: list("job INDEXED BY job_handler", "handler = $handler"),
  schedule: list("job INDEXED BY job_schedule", "schedule_id = $scheduleId AND schedule_id IS NOT NULL"),
  parent: list("job INDEXED BY job_parent", "parent_id = $parentId AND parent_id IS NOT NULL"),
  owner: list("job INDEXED BY job_plugin", "owner = $owner AND owner >= 'plugin:' AND owner < 'plugin;'"),
  scheduled: list("job INDEXED BY job_resting", "state = 'scheduled'"),
  retrying: list("job INDEXED BY job_resting", "state = 'retrying'"),
  paused: list("job INDEXED BY job_resting", "state = 'paused'"),
  failed: list("job INDEXED BY job_resting", "state = 'failed'"),
  cancelled: list("job INDEXED BY job_resting", "state = 'cancelled'"),
  running: list("job INDEXED BY job_held", "boot_id IS NOT NULL"),
  // Of the handler, the index has only the lane: `x`, `<plugin>/x`, and both behind `<tenant>@`.
  queued: list(
    "job INDEXED BY job_lane",
    "state = 'queued' AND ($handler IS NULL OR lane = $handler OR lane LIKE '%/' || $handler OR lane LIKE '%@' || $handler)",
  ),
};

/** Goes one stretch ahead along an index, or counts what is left when that is less. */
interface CountSql {
  jump: string;
  rest: string;
}

function countSql(index: string, narrow: string): CountSql {
  const from = `
      FROM job INDEXED BY ${index}
     WHERE ${narrow}`;
  return {
    jump: `
    SELECT seq ${from}
     ORDER BY seq
     LIMIT 1
    OFFSET ${STRETCH_ROWS - 1}`,
    rest: `
    SELECT COUNT(*) AS count ${from}`,
  };
}

/** Each along the index that has these jobs and no others. */
export const COUNT_SQL: Record<Resting | "queued" | "handler", CountSql> = {
  handler: countSql("job_handler", "handler = $handler AND seq > $seq"),
  queued: countSql(
    "job_lane",
    "state = 'queued' AND lane = $lane AND crowded = $crowded AND priority = $priority AND seq > $seq",
  ),
  scheduled: countSql("job_resting", "state = 'scheduled' AND seq > $seq"),
  retrying: countSql("job_resting", "state = 'retrying' AND seq > $seq"),
  paused: countSql("job_resting", "state = 'paused' AND seq > $seq"),
  failed: countSql("job_resting", "state = 'failed' AND seq > $seq"),
  cancelled: countSql("job_resting", "state = 'cancelled' AND seq > $seq"),
};

const ENDS = `
  SELECT COALESCE((SELECT MIN(seq) FROM job), 0) AS oldest,
         COALESCE((SELECT MAX(seq) FROM job), 0) AS newest`;

const RUNNING = "SELECT COUNT(*) AS count FROM job INDEXED BY job_held WHERE boot_id IS NOT NULL";

const QUEUED_SOME = `
  SELECT COUNT(*) AS count
    FROM (SELECT 1
            FROM job INDEXED BY job_lane
           WHERE state = 'queued'
           LIMIT $limit + 0)`;

const NEXT_HANDLER = `
  SELECT handler
    FROM job INDEXED BY job_handler
   WHERE handler > $handler
   ORDER BY handler
   LIMIT 1`;

const NEXT_LANE = `
  SELECT lane
    FROM job INDEXED BY job_lane
   WHERE state = 'queued'
     AND lane > $lane
   ORDER BY lane
   LIMIT 1`;

// Not "behind this priority": SQLite would step over each of a million jobs that have it.
const NEXT_PLACE = `
  SELECT lane, crowded, priority
    FROM job INDEXED BY job_lane
   WHERE state = 'queued'
     AND (lane, crowded, priority) >= ($lane, $crowded, $priority + 1)
   ORDER BY lane, crowded, priority
   LIMIT 1`;
