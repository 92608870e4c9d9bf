/** Limits in SQLite: a row for each handler that somebody paused. Most stores have none, and a claim finds that out in a microsecond. */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { Fault } from "../../base/fault.ts";
import {
  HANDLER_PAUSES_MAX,
  type HandlerLimits,
  type HandlerPause,
  handlerOfLane,
  type LimitStore,
} from "../limits.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";
import { type KeyOf, SqliteKeys } from "./keys.ts";

type Values = Record<string, string | number | null>;

interface LimitRow {
  handler: string;
  per_key: number | null;
}

const KEYS_PER_STEP = 500; // Some milliseconds, then others have their turn.

export class SqliteLimits implements LimitStore {
  readonly keys: SqliteKeys;
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #events: SqliteEvents;
  readonly #all: Statement<LimitRow, []>;
  readonly #of: Statement<LimitRow, [Values]>;
  readonly #set: Statement<unknown, [Values]>;
  readonly #pauses: Statement<HandlerPause, []>;
  readonly #pauseOf: Statement<HandlerPause, [Values]>;
  readonly #pause: Statement<unknown, [Values]>;
  readonly #resume: Statement<HandlerPause, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit, events: SqliteEvents) {
    this.#env = env;
    this.#group = group;
    this.#events = events;
    this.keys = new SqliteKeys(db, this);
    this.#all = db.prepare("SELECT * FROM handler_limit WHERE per_key IS NOT NULL ORDER BY handler");
    this.#of = db.prepare("SELECT * FROM handler_limit WHERE handler = $handler");
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
    await this.#group.write(() => this.#set.run({ ...limits }));
    let after: KeyOf | null = { handler: limits.handler, tenant: "", concurrency_key: "" };
    while (after) after = await this.#group.write(() => advanceSome(this.keys, after));
  }

  async all(): Promise<HandlerLimits[]> {
    return this.#all.all().map(readLimits);
  }

  /** Limits of a handler, inside the running group; null when it has none. */
  of(handler: string): HandlerLimits | null {
    const row = this.#of.get({ handler });
    return row && readLimits(row);
  }

  async pauses(): Promise<HandlerPause[]> {
    return this.#pauses.all();
  }

  /** True when jobs of a lane may be claimed; asked inside the transaction of the claim. */
  mayClaim(lane: string): boolean {
    return !this.#pauseOf.get({ lane, handler: handlerOfLane(lane) });
  }

  #say(
    { handler, by, note }: HandlerPause,
    kind: "handler.paused" | "handler.resumed",
    message: string,
  ): void {
    this.#events.addNow({ kind, subject: handler, message, data: { handler, by, note } });
  }
}

function readLimits({ handler, per_key: perKey }: LimitRow): HandlerLimits {
  return { handler, perKey };
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
  INSERT INTO handler_limit (handler, per_key)
  VALUES ($handler, $perKey)
  ON CONFLICT (handler) DO UPDATE
     SET per_key = excluded.per_key`;

const PAUSE_OF = `
  SELECT handler, "by", note, at
    FROM handler_pause
   WHERE handler = $lane
      OR handler = $handler
   LIMIT 1`;

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
