/** Schedule quota: how many schedules a plugin has, or people, and how often they are changed, looked at in the transaction of the change. */
import type { Database, Statement } from "bun:sqlite";
import { type Exceeded, exceeded, type Metered, PEOPLE, UNLIMITED } from "../../access/quota.ts";
import type { Env } from "../../base/env.ts";
import type { MeteredSchedules, ScheduleUse } from "../schedules.ts";
import { QuotaWindow } from "./quota-windows.ts";

type Who = Omit<Metered, "quota">;
type Values = Record<string, string | number>;

const MINUTE = { windowMs: 60_000, stepMs: 1 };

export class ScheduleQuota {
  readonly #writes: QuotaWindow;
  readonly #count: Statement<{ live: number; undeclared: number }, [Values]>;
  readonly #people: Statement<{ live: number }, []>;
  readonly #largest: Statement<{ bytes: number | null }, [Values]>;
  readonly #empty: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database) {
    this.#writes = new QuotaWindow(env, db, { quota: "scheduleWritesPerMinute", window: MINUTE });
    this.#count = db.prepare(COUNT);
    this.#people = db.prepare(COUNT_PEOPLE);
    this.#largest = db.prepare(LARGEST);
    this.#empty = db.prepare(EMPTY);
  }

  /** Why they may not have `added` schedules more; null when it may. */
  full({ plugin, tenant, quota }: MeteredSchedules, added: number): Exceeded | null {
    const used = quota.schedules === UNLIMITED ? 0 : this.#live({ plugin, tenant });
    const allows = quota.schedules;
    if (added === 0 || used + added <= allows) return null;
    return { limit: "schedules", allows, used: added === 1 ? used : used + added };
  }

  #live({ plugin, tenant }: Who): number {
    const counted = plugin === PEOPLE.plugin ? this.#people.get() : this.#count.get({ plugin, tenant });
    return counted?.live ?? 0;
  }

  /** Why they may not change one now; null when they may. */
  tooOften({ plugin, tenant, quota }: MeteredSchedules): Exceeded | null {
    const allows = quota.scheduleWritesPerMinute;
    if (allows === UNLIMITED) return null;
    const full = this.#writes.full({ plugin, tenant }, { limit: allows, wanted: 1 });
    if (full === null) return null;
    return { limit: "scheduleWritesPerMinute", allows, used: full.used, retryAfterMs: full.waitMs };
  }

  /** Counts changes that were made. */
  note({ plugin, tenant }: Who, count: number): void {
    this.#writes.note({ plugin, tenant }, count);
  }

  /** Takes the payloads and metadata of all that were deleted, but of the last ones: whoever makes and deletes them would fill the disk. */
  emptyDeleted({ plugin, tenant, quota }: MeteredSchedules): void {
    if (plugin === PEOPLE.plugin) return;
    this.#empty.run({ plugin, tenant, kept: quota.schedules });
  }

  /** Throws a Fault when what a plugin declares is too much beside what it made by calls. */
  refuseDeclared({ plugin, tenant, quota }: MeteredSchedules, declared: number): void {
    const used = declared + (this.#count.get({ plugin, tenant })?.undeclared ?? 0);
    const allows = quota.schedules;
    if (declared > 0 && used > allows) throw exceeded(plugin, { limit: "schedules", allows, used });
  }

  use({ plugin, tenant }: Who): ScheduleUse {
    return {
      schedules: this.#live({ plugin, tenant }),
      scheduleWritesPerMinute: this.#writes.used({ plugin, tenant }),
      schedulePayloadBytes: this.#largest.get({ plugin, tenant })?.bytes ?? 0,
    };
  }
}

const LIVE = `
    FROM schedule INDEXED BY schedule_counted
   WHERE owner_kind = 'plugin'
     AND owner_name = $plugin
     AND tenant     = $tenant
     AND state     <> 'deleted'`;

const COUNT = `
  SELECT COUNT(*) AS live, COUNT(*) FILTER (WHERE declared_id = '') AS undeclared${LIVE}`;

const COUNT_PEOPLE = `
  SELECT COUNT(*) AS live
    FROM schedule INDEXED BY schedule_people
   WHERE owner_kind = 'person'
     AND state <> 'deleted'`;

const LARGEST = `
  SELECT MAX(length(payload)) AS bytes${LIVE}`;

// Not of those that were declared: they may come back.
const EMPTY = `
  UPDATE schedule
     SET payload  = x'',
         metadata = '{}'
   WHERE id IN (
           SELECT id
             FROM schedule INDEXED BY schedule_kept
            WHERE owner_kind  = 'plugin'
              AND owner_name  = $plugin
              AND tenant      = $tenant
              AND state       = 'deleted'
              AND declared_id = ''
              AND (payload <> x'' OR metadata <> '{}')
            ORDER BY updated_at DESC
            LIMIT -1 OFFSET $kept + 0)`;
