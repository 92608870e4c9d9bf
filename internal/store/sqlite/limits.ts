/** Limits in SQLite: a row for each handler that somebody paused. Most stores have none, and a claim finds that out in a microsecond. */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { Fault } from "../../base/fault.ts";
import { HANDLER_PAUSES_MAX, type HandlerPause, handlerOfLane, type LimitStore } from "../limits.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";

type Values = Record<string, string | number>;

export class SqliteLimits implements LimitStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #events: SqliteEvents;
  readonly #pauses: Statement<HandlerPause, []>;
  readonly #pauseOf: Statement<HandlerPause, [Values]>;
  readonly #pause: Statement<unknown, [Values]>;
  readonly #resume: Statement<HandlerPause, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit, events: SqliteEvents) {
    this.#env = env;
    this.#group = group;
    this.#events = events;
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

function said(note: string): string {
  return note === "" ? "" : `: ${note}`;
}

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
