/** Limits in SQLite: a row for each handler that is paused, and one for each that has limits. Most stores have none, and a claim finds that out in a microsecond. */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { Fault } from "../../base/fault.ts";
import { handlerOfLane, partsOf } from "../../job/lane.ts";
import { believedFullAt, type Bucket, fullAfter, opensAt, startable, usualBurst } from "../../base/rate.ts";
import {
  CONCURRENCY_PER_KEY_DEFAULT,
  HANDLER_PAUSES_MAX,
  type HandlerLimits,
  type HandlerPause,
  type KeptLimits,
  type LimitStore,
} from "../limits.ts";
import type { LaneOf } from "./budget-gate.ts";
import { SqliteBudgets } from "./budgets.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";
import type { NextRow } from "./job-row.ts";
import { type KeyOf, SqliteKeys } from "./keys.ts";

type Values = Record<string, string | number | null>;

interface LimitRow {
  handler: string;
  per_key: number | null;
  rate_count: number | null;
  rate_ms: number | null;
  burst: number | null;
  full_at: number;
}

const KEYS_PER_STEP = 500; // Some milliseconds, then others have their turn.

export class SqliteLimits implements LimitStore {
  readonly keys: SqliteKeys;
  readonly budgets: SqliteBudgets;
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #events: SqliteEvents;
  readonly #all: Statement<LimitRow, []>;
  readonly #of: Statement<LimitRow, [Values]>;
  readonly #spend: Statement<unknown, [Values]>;
  readonly #set: Statement<unknown, [Values]>;
  readonly #pauses: Statement<HandlerPause, []>;
  readonly #pauseOf: Statement<unknown, [Values]>;
  readonly #pause: Statement<unknown, [Values]>;
  readonly #resume: Statement<HandlerPause, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit, events: SqliteEvents) {
    this.#env = env;
    this.#group = group;
    this.#events = events;
    this.keys = new SqliteKeys(db, this);
    this.budgets = new SqliteBudgets(env, db, group);
    this.#all = db.prepare(
      "SELECT * FROM handler_limit WHERE per_key IS NOT NULL OR rate_count IS NOT NULL ORDER BY handler",
    );
    this.#of = db.prepare("SELECT * FROM handler_limit WHERE handler = $handler");
    this.#spend = db.prepare("UPDATE handler_limit SET full_at = $fullAt WHERE handler = $handler");
    this.#set = db.prepare(SET);
    this.#pauses = db.prepare(`SELECT handler, "by", note, at FROM handler_pause ORDER BY handler`);
    this.#pauseOf = db.prepare(PAUSE_OF);
    this.#pause = db.prepare(PAUSE);
    this.#resume = db.prepare(RESUME);
  }

  pause({ handler, by, note }: Omit<HandlerPause, "at">): Promise<HandlerPause> {
    return this.#group.write(() => {
      const pauses = this.#pauses.all();
      const before = pauses.find((pause) => pause.handler === handler);
      if (!before && pauses.length >= HANDLER_PAUSES_MAX)
        throw new Fault("exhausted", `${HANDLER_PAUSES_MAX} handlers are paused; no more can be.`);
      const pause = { handler, by, note, at: before?.at ?? this.#env.now() };
      this.#pause.run(pause);
      if (!before) this.#say(pause, "handler.paused", `Handler ${handler} is paused by ${by}${said(note)}.`);
      return pause;
    });
  }

  resume(handler: string, by: string): Promise<HandlerPause | null> {
    return this.#group.write(() => {
      const pause = this.#resume.get({ handler });
      if (pause) this.#say({ ...pause, by }, "handler.resumed", `Handler ${handler} is resumed by ${by}.`);
      return pause ?? null;
    });
  }

  async set(limits: HandlerLimits): Promise<void> {
    const { handler, perKey, rate, burst } = limits;
    const values = { handler, perKey, rateCount: rate?.count ?? null, rateMs: rate?.perMs ?? null, burst };
    await this.#group.write(() => this.#set.run(values));
    let after: KeyOf | null = firstKey(handler);
    while (after) after = await this.#group.write(() => advanceSome(this.keys, after));
  }

  async all(): Promise<KeptLimits[]> {
    return this.#all.all().map((row) => this.#read(row));
  }

  async get(handler: string): Promise<KeptLimits | null> {
    const row = this.#of.get({ handler });
    return row && this.#read(row);
  }

  #read(row: LimitRow): KeptLimits {
    const { handler, per_key: perKey, burst } = row;
    const bucket = bucketOf(row);
    const rate = bucket?.rate ?? null;
    return { handler, perKey, rate, burst, opensAt: bucket && opensAt(bucket, this.#env.now()) };
  }

  /** How many jobs of a concurrency key may run at once, inside the running group. */
  perKey(handler: string): number {
    return this.#of.get({ handler })?.per_key ?? CONCURRENCY_PER_KEY_DEFAULT;
  }

  async pauses(): Promise<HandlerPause[]> {
    return this.#pauses.all();
  }

  /** How many jobs of a lane may be claimed, of those that are wanted; asked inside the transaction of the claim. */
  claimable(of: LaneOf, wanted: number): number {
    const { lane } = of;
    const handler = handlerOfLane(lane);
    if (this.#pauseOf.get({ lane, handler })) return 0;
    const bucket = this.#bucket(handler);
    return this.budgets.gate.claimable(of, bucket ? this.#startable(handler, bucket, wanted) : wanted);
  }

  #startable(handler: string, bucket: Bucket, wanted: number): number {
    const now = this.#env.now();
    const fullAt = believedFullAt(bucket, now);
    if (fullAt < bucket.fullAt) this.#spend.run({ handler, fullAt }); // The clock was set back.
    return Math.min(wanted, startable(bucket, now));
  }

  /** These were claimed. */
  spend(of: LaneOf, rows: readonly NextRow[]): void {
    const handler = handlerOfLane(of.lane);
    const bucket = rows.length > 0 ? this.#bucket(handler) : null;
    if (bucket) this.#spend.run({ handler, fullAt: fullAfter(bucket, this.#env.now(), rows.length) });
    this.budgets.gate.spend(of, rows);
  }

  #bucket(handler: string): Bucket | null {
    const row = this.#of.get({ handler });
    return row && bucketOf(row);
  }

  #say(
    { handler, by, note }: HandlerPause,
    kind: "handler.paused" | "handler.resumed",
    message: string,
  ): void {
    this.#events.addNow({ kind, subject: handler, message, data: { handler, by, note } });
  }
}

function bucketOf({ rate_count: count, rate_ms: perMs, burst, full_at: fullAt }: LimitRow): Bucket | null {
  if (count === null || perMs === null) return null;
  const rate = { count, perMs };
  return { rate, burst: burst ?? usualBurst(rate), fullAt };
}

/** Before all keys of a handler. */
function firstKey(name: string): KeyOf {
  const { tenant, handler } = partsOf(name);
  return { tenant, handler, concurrency_key: "" };
}

/** Lets go, key by key, who has room. Returns where to go on; null behind the last one. */
function advanceSome(keys: SqliteKeys, after: KeyOf | null): KeyOf | null {
  let key = after;
  for (let step = 0; key && step < KEYS_PER_STEP; step++) {
    key = keys.next(key);
    if (key) keys.advance(key);
  }
  return key;
}

function said(note: string): string {
  return note === "" ? "" : `: ${note}`;
}

const SET = `
  INSERT INTO handler_limit (handler, per_key, rate_count, rate_ms, burst)
  VALUES ($handler, $perKey, $rateCount, $rateMs, $burst)
  ON CONFLICT (handler) DO UPDATE
     SET per_key    = excluded.per_key,
         rate_count = excluded.rate_count,
         rate_ms    = excluded.rate_ms,
         burst      = excluded.burst`;

// Two looks, because for OR SQLite makes a table.
const PAUSE_OF = `
  SELECT 1 FROM handler_pause WHERE handler = $lane
   UNION ALL
  SELECT 1 FROM handler_pause WHERE handler = $handler`;

const PAUSE = `
  INSERT INTO handler_pause (handler, "by", note, at)
  VALUES ($handler, $by, $note, $at)
  ON CONFLICT (handler) DO UPDATE
     SET "by" = excluded."by",
         note = excluded.note`;

const RESUME = `
  DELETE FROM handler_pause
   WHERE handler = $handler
  RETURNING handler, "by", note, at`;
