/** Quota windows: what plugins did within the last moments, each kept with its own. */
import type { Database, Statement } from "bun:sqlite";
import type { Metered, QuotaLimit } from "../../access/quota.ts";
import type { Env, Millis } from "../../base/env.ts";
import { type Happened, leftBefore, stepAt, totalOf, waitForRoom, type Window } from "../../base/window.ts";

type Who = Omit<Metered, "quota">;
type Values = Record<string, string | number>;

/** The window of one limit. */
export class QuotaWindow {
  readonly #env: Env;
  readonly #quota: QuotaLimit;
  readonly #window: Window;
  readonly #all: Statement<Happened, [Values]>;
  readonly #forget: Statement<unknown, [Values]>;
  readonly #note: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database, { quota, window }: { quota: QuotaLimit; window: Window }) {
    this.#env = env;
    this.#quota = quota;
    this.#window = window;
    this.#all = db.prepare(ALL);
    this.#forget = db.prepare(FORGET);
    this.#note = db.prepare(NOTE);
  }

  /** How long to wait until `wanted` more fit below a limit, and how many there are; null when they fit now. */
  full(
    who: Who,
    { limit, wanted }: { limit: number; wanted: number },
  ): { waitMs: Millis; used: number } | null {
    const now = this.#env.now();
    const happened = this.#within(who, now);
    const waitMs = waitForRoom(happened, { limit, wanted, window: this.#window }, now);
    return waitMs === null ? null : { waitMs, used: totalOf(happened) };
  }

  /** Counts some that have happened. */
  note(who: Who, count: number): void {
    const now = this.#env.now();
    const key = this.#key(who);
    this.#forget.run({ ...key, left: leftBefore(now, this.#window), now });
    this.#note.run({ ...key, at: stepAt(now, this.#window), count });
  }

  /** How many there are in the window that ends now. */
  used(who: Who): number {
    return totalOf(this.#read(who, this.#env.now()));
  }

  #read(who: Who, now: Millis): Happened[] {
    return this.#all.all({ ...this.#key(who), left: leftBefore(now, this.#window) });
  }

  /** By a clock that was set back since, some are still to come: they happened now. */
  #within(who: Who, now: Millis): Happened[] {
    const happened = this.#read(who, now);
    const ahead = totalOf(happened.filter(({ at }) => at > now));
    if (ahead === 0) return happened;
    this.note(who, ahead);
    return this.#read(who, now);
  }

  #key({ plugin, tenant }: Who) {
    return { plugin, tenant, quota: this.#quota };
  }
}

const ALL = `
  SELECT at, count
    FROM quota_window
   WHERE plugin = $plugin
     AND tenant = $tenant
     AND quota  = $quota
     AND at     > $left
   ORDER BY at`;

const FORGET = `
  DELETE FROM quota_window
   WHERE plugin = $plugin
     AND tenant = $tenant
     AND quota  = $quota
     AND (at <= $left OR at > $now)`;

const NOTE = `
  INSERT INTO quota_window (plugin, tenant, quota, at, count)
  VALUES ($plugin, $tenant, $quota, $at, $count)
  ON CONFLICT (plugin, tenant, quota, at) DO UPDATE
     SET count = count + excluded.count`;
