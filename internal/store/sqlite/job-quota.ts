/**
 * Job quota: how many jobs a plugin has enqueued that have not ended, and how fast it
 * does, looked at in the transaction that writes them. Only jobs of plugins with such a
 * limit are marked and stand in the index that counts them; all others pay nothing.
 */
import type { Database, Statement } from "bun:sqlite";
import { type Exceeded, type Metered, UNLIMITED } from "../../access/quota.ts";
import type { Env, Millis } from "../../base/env.ts";
import type { NewJob } from "../../job/job.ts";
import type { Enqueued, JobUse } from "../jobs.ts";
import { QuotaWindow } from "./quota-windows.ts";

type Who = Omit<Metered, "quota">;
type Values = Record<string, string | number>;

const SECONDS = 10; // So many seconds' jobs may come at once: what comes in bursts is no flood.
const WINDOW = { windowMs: SECONDS * 1_000, stepMs: 100 };

const SECOND: Millis = 1_000;
const LOOKS_PER_SECOND_MAX = 20; // To count ten thousand jobs takes most of a millisecond, and to be refused costs the plugin nothing.

/** Of a plugin that goes on asking although its queue is full, only so many questions a second are looked into. */
interface Flood {
  until: Millis;
  looks: number;
  /** The fewest that were too many. */
  refused: { wanted: number; exceeded: Exceeded } | null;
}

/** For how many jobs more a plugin's queue had room when it was counted last, without those that were made since. */
interface Room {
  until: Millis;
  left: number;
}

export class JobQuota {
  readonly #env: Env;
  readonly #floods = new Map<string, Flood>();
  readonly #rooms = new Map<string, Room>();
  readonly #rate: QuotaWindow;
  readonly #depth: Statement<{ depth: number }, [Values]>;
  readonly #last: Statement<{ seq: number }, []>;
  readonly #mark: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database) {
    this.#env = env;
    this.#rate = new QuotaWindow(env, db, { quota: "jobsPerSecond", window: WINDOW });
    this.#depth = db.prepare(DEPTH);
    this.#last = db.prepare("SELECT COALESCE(MAX(seq), 0) AS seq FROM job");
    this.#mark = db.prepare(MARK);
  }

  /** Writes jobs by `write` and counts those that it made, unless they are too many. */
  within(
    metered: Metered,
    jobs: readonly NewJob[],
    write: () => Enqueued[],
  ): Enqueued[] | { exceeded: Exceeded } {
    const { queueDepth, jobsPerSecond } = metered.quota;
    if (queueDepth === UNLIMITED && jobsPerSecond === UNLIMITED) return write();
    const found = this.#tooDeep(metered, jobs.length) ?? this.#tooFast(metered, jobs.length);
    if (found) return { exceeded: found };
    const before = this.#last.get()?.seq ?? 0;
    const enqueued = write();
    const made = enqueued.filter(({ created }) => created).length;
    if (made === 0) return enqueued;
    this.#mark.run({ ...keyOf(metered), before });
    this.#rate.note(metered, made);
    return enqueued;
  }

  /** Writes a job by `write` and counts it; false where the queue is full. That is counted once a second: such jobs come in floods. */
  fill(who: Who, queueDepth: number, write: () => void): boolean {
    if (queueDepth === UNLIMITED) {
      write();
      return true;
    }
    const room = this.#roomOf(who, queueDepth);
    if (room.left <= 0) return false;
    room.left--;
    const before = this.#last.get()?.seq ?? 0;
    write();
    this.#mark.run({ ...keyOf(who), before });
    return true;
  }

  #roomOf(who: Who, queueDepth: number): Room {
    const { owner, tenant } = keyOf(who);
    const key = `${tenant}@${owner}`;
    const known = this.#rooms.get(key);
    const now = this.#env.mono();
    if (known && now < known.until) return known;
    const room = { until: now + SECOND, left: queueDepth - (this.#depth.get({ owner, tenant })?.depth ?? 0) };
    this.#rooms.set(key, room);
    return room;
  }

  use(who: Who): JobUse {
    return {
      queueDepth: this.#depth.get(keyOf(who))?.depth ?? 0,
      jobsPerSecond: Math.ceil(this.#rate.used(who) / SECONDS),
    };
  }

  #tooDeep(metered: Metered, wanted: number): Exceeded | null {
    const allows = metered.quota.queueDepth;
    if (allows === UNLIMITED) return null;
    const { owner, tenant } = keyOf(metered);
    const flood = this.#floodOf(`${tenant}@${owner}`);
    const { refused } = flood;
    if (refused && flood.looks >= LOOKS_PER_SECOND_MAX && wanted >= refused.wanted) return refused.exceeded;
    const used = (this.#depth.get({ owner, tenant })?.depth ?? 0) + wanted;
    if (used <= allows) return null;
    flood.looks++;
    const exceeded: Exceeded = { limit: "queueDepth", allows, used };
    if (!refused || wanted <= refused.wanted) flood.refused = { wanted, exceeded };
    return exceeded;
  }

  /** What was refused to a plugin within this second. */
  #floodOf(key: string): Flood {
    const known = this.#floods.get(key);
    const now = this.#env.mono();
    if (known && now < known.until) return known;
    const flood = { until: now + SECOND, looks: 0, refused: null };
    this.#floods.set(key, flood);
    return flood;
  }

  #tooFast(metered: Metered, wanted: number): Exceeded | null {
    const allows = metered.quota.jobsPerSecond;
    if (allows === UNLIMITED) return null;
    const full = this.#rate.full(metered, { limit: allows * SECONDS, wanted });
    if (full === null) return null;
    const used = Math.ceil((full.used + wanted) / SECONDS);
    const retryAfterMs = wanted > allows * SECONDS ? undefined : full.waitMs; // So many never fit.
    return { limit: "jobsPerSecond", allows, used, retryAfterMs };
  }
}

function keyOf({ plugin, tenant }: Who) {
  return { owner: `plugin:${plugin}`, tenant };
}

const DEPTH = `
  SELECT COUNT(*) AS depth
    FROM job INDEXED BY job_metered
   WHERE owner   = $owner
     AND tenant  = $tenant
     AND metered = 1
     AND finished_at IS NULL`;

// Rows of this group are the last ones.
const MARK = `
  UPDATE job
     SET metered = 1
   WHERE seq    > $before
     AND owner  = $owner
     AND tenant = $tenant`;
