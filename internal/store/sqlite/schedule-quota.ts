/**
 * Schedule quota: how many schedules a plugin has and how often it changes them,
 * looked at in the transaction of the change. Every change of the last minute is
 * kept, so that the window slides: there is no border at which it would begin anew.
 */
import type { Database, Statement } from "bun:sqlite";
import { type Exceeded, exceeded, type Metered } from "../../access/quota.ts";
import type { Env, Millis } from "../../base/env.ts";
import { type Happened, waitForRoom } from "../../base/window.ts";
import type { ScheduleUse } from "../schedules.ts";

const WINDOW_MS: Millis = 60_000;

type Who = Omit<Metered, "quota">;
type Values = Record<string, string | number>;

export class ScheduleQuota {
  readonly #env: Env;
  readonly #count: Statement<{ live: number; undeclared: number }, [Values]>;
  readonly #largest: Statement<{ bytes: number | null }, [Values]>;
  readonly #changes: Statement<Happened, [Values]>;
  readonly #forget: Statement<unknown, [Values]>;
  readonly #note: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database) {
    this.#env = env;
    this.#count = db.prepare(COUNT);
    this.#largest = db.prepare(LARGEST);
    this.#changes = db.prepare(CHANGES);
    this.#forget = db.prepare(FORGET);
    this.#note = db.prepare(NOTE);
  }

  /** Why a plugin may not have `added` schedules more; null when it may. */
  full({ plugin, tenant, quota }: Metered, added: number): Exceeded | null {
    const used = this.#count.get({ plugin, tenant })?.live ?? 0;
    const allows = quota.schedules;
    return added === 0 || used + added <= allows ? null : { limit: "schedules", allows, used };
  }

  /** Why it may not change one now; null when it may. */
  tooOften({ plugin, tenant, quota }: Metered): Exceeded | null {
    const now = this.#env.now();
    const allows = quota.scheduleWritesPerMinute;
    const changes = this.#within({ plugin, tenant }, now);
    const retryAfterMs = waitForRoom(changes, { limit: allows, windowMs: WINDOW_MS }, now);
    if (retryAfterMs === null) return null;
    return { limit: "scheduleWritesPerMinute", allows, used: total(changes), retryAfterMs };
  }

  /** Counts changes that were made. */
  note({ plugin, tenant }: Who, count: number): void {
    const now = this.#env.now();
    this.#forget.run({ plugin, tenant, since: now - WINDOW_MS, until: now });
    this.#note.run({ plugin, tenant, at: now, count });
  }

  /** Throws a Fault when what a plugin declares is too much beside what it made by calls. */
  refuseDeclared({ plugin, tenant, quota }: Metered, declared: number): void {
    const used = declared + (this.#count.get({ plugin, tenant })?.undeclared ?? 0);
    const allows = quota.schedules;
    if (declared > 0 && used > allows) throw exceeded(plugin, { limit: "schedules", allows, used });
  }

  use({ plugin, tenant }: Who): ScheduleUse {
    const since = this.#env.now() - WINDOW_MS;
    return {
      schedules: this.#count.get({ plugin, tenant })?.live ?? 0,
      scheduleWritesPerMinute: total(this.#changes.all({ plugin, tenant, since })),
      schedulePayloadBytes: this.#largest.get({ plugin, tenant })?.bytes ?? 0,
    };
  }

  /** The changes of the last minute. By a clock that was set back since, some are still to come: they were made now. */
  #within({ plugin, tenant }: Who, now: Millis): Happened[] {
    const since = now - WINDOW_MS;
    const changes = this.#changes.all({ plugin, tenant, since });
    const ahead = total(changes.filter(({ at }) => at > now));
    if (ahead === 0) return changes;
    this.#forget.run({ plugin, tenant, since, until: now });
    this.#note.run({ plugin, tenant, at: now, count: ahead });
    return this.#changes.all({ plugin, tenant, since });
  }
}

function total(happened: readonly Happened[]): number {
  return happened.reduce((sum, { count }) => sum + count, 0);
}

const LIVE = `
    FROM schedule INDEXED BY schedule_counted
   WHERE owner_kind = 'plugin'
     AND owner_name = $plugin
     AND tenant     = $tenant
     AND state     <> 'deleted'`;

const COUNT = `
  SELECT COUNT(*) AS live, COUNT(*) FILTER (WHERE declared_id = '') AS undeclared${LIVE}`;

const LARGEST = `
  SELECT MAX(length(payload)) AS bytes${LIVE}`;

const CHANGES = `
  SELECT at, count
    FROM schedule_write
   WHERE plugin = $plugin
     AND tenant = $tenant
     AND at     > $since
   ORDER BY at`;

// All that does not lie in the window.
const FORGET = `
  DELETE FROM schedule_write
   WHERE plugin = $plugin
     AND tenant = $tenant
     AND (at <= $since OR at > $until)`;

const NOTE = `
  INSERT INTO schedule_write (plugin, tenant, at, count)
  VALUES ($plugin, $tenant, $at, $count)
  ON CONFLICT (plugin, tenant, at) DO UPDATE
     SET count = count + excluded.count`;
