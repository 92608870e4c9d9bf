/**
 * Keys in SQLite: of the jobs of a handler that name the same concurrency key, so
 * many have a place as its limit says; for the others it is crowded.
 *
 * A place is taken when a job is queued and there is room, and given back when it
 * leaves the queue for anything but a claim, or ends: in the same transaction the
 * next of its key is let go. What is crowded leaves the part of the index that claims
 * read, so that a million jobs of one key hold up no other. A claim counts what
 * runs once more: a limit that was lowered holds from then on.
 *
 * A job without a key never comes here.
 */
import type { Database, Statement } from "bun:sqlite";
import { laneOf } from "../../job/lane.ts";
import type { NextRow } from "./job-row.ts";
import type { SqliteLimits } from "./limits.ts";

type Values = Record<string, string | number | null>;

/** Who shares places. */
export interface KeyOf {
  tenant: string;
  handler: string;
  concurrency_key: string;
}

export class SqliteKeys {
  readonly #limits: SqliteLimits;
  readonly #name: Statement<unknown, [Values]>;
  readonly #hold: Statement<KeyOf, [Values]>;
  readonly #keyOf: Statement<KeyOf, [Values]>;
  readonly #places: Statement<{ count: number }, [Values]>;
  readonly #running: Statement<{ count: number }, [Values]>;
  readonly #release: Statement<{ lane: string }, [Values]>;
  readonly #unclaim: Statement<unknown, [Values]>;
  readonly #next: Statement<KeyOf, [Values]>;
  #onRelease: (lane: string) => void = () => {};

  constructor(db: Database, limits: SqliteLimits) {
    this.#limits = limits;
    this.#name = db.prepare("UPDATE job SET concurrency_key = $key, crowded = 1 WHERE id = $id");
    this.#hold = db.prepare(HOLD);
    this.#keyOf = db.prepare(KEY_OF);
    this.#places = db.prepare(PLACES);
    this.#running = db.prepare(`${PLACES} AND state = 'running'`);
    this.#release = db.prepare(RELEASE);
    this.#unclaim = db.prepare(UNCLAIM);
    this.#next = db.prepare(NEXT);
  }

  /** Gives a job that was just written its key. */
  join(id: string, key: KeyOf): void {
    this.#name.run({ id, key: key.concurrency_key });
    this.advance(key);
  }

  /** A job stands in line again, or waits elsewhere: its place is free. */
  back(id: string): void {
    const key = this.#hold.get({ id });
    if (key) this.advance(key);
  }

  /** A job has ended. */
  leave(id: string): void {
    const key = this.#keyOf.get({ id });
    if (key) this.advance(key);
  }

  /** Lets go those that stand first, as long as there is room. */
  advance(key: KeyOf): void {
    const free = this.#limitOf(key) - (this.#places.get({ ...key })?.count ?? 0);
    if (free <= 0) return;
    for (const { lane } of this.#release.all({ ...key, free })) this.#onRelease(lane);
  }

  /** Calls back, inside the transaction, for every job that is let go. */
  onRelease(onRelease: (lane: string) => void): void {
    this.#onRelease = onRelease;
  }

  /** Of what was claimed, in its order, those for which there is room; the others go back. */
  fitting(rows: readonly NextRow[]): readonly NextRow[] {
    if (rows.every(({ concurrency_key }) => concurrency_key === null)) return rows;
    const over = new Map<string, number>();
    return rows.filter(({ id, tenant, handler, concurrency_key }) => {
      if (concurrency_key === null) return true;
      const key = { tenant, handler, concurrency_key };
      const word = JSON.stringify(key);
      const left = over.get(word) ?? this.#roomBefore(key, rows);
      over.set(word, left - 1);
      if (left <= 0) this.#unclaim.run({ id });
      return left > 0;
    });
  }

  /** Room beside what ran before this claim. */
  #roomBefore(key: KeyOf, rows: readonly NextRow[]): number {
    const claimed = rows.filter(
      ({ tenant, concurrency_key }) => tenant === key.tenant && concurrency_key === key.concurrency_key,
    );
    return this.#limitOf(key) - ((this.#running.get({ ...key })?.count ?? 0) - claimed.length);
  }

  /** The next key of a handler behind another one: for those who look at all of them. */
  next(after: KeyOf): KeyOf | null {
    return this.#next.get({ ...after });
  }

  #limitOf(key: KeyOf): number {
    return this.#limits.perKey(laneOf(key));
  }
}

const HOLD = `
  UPDATE job
     SET crowded = 1
   WHERE id = $id
     AND concurrency_key IS NOT NULL
     AND state <> 'running'
  RETURNING tenant, handler, concurrency_key`;

const KEY_OF = `
  SELECT tenant, handler, concurrency_key
    FROM job
   WHERE id = $id
     AND concurrency_key IS NOT NULL`;

const PLACES = `
  SELECT COUNT(*) AS count
    FROM job INDEXED BY job_key
   WHERE handler = $handler
     AND tenant  = $tenant
     AND concurrency_key = $concurrency_key
     AND concurrency_key IS NOT NULL
     AND (state = 'queued' OR state = 'running')
     AND crowded = 0`;

const RELEASE = `
  UPDATE job
     SET crowded = 0
   WHERE seq IN (
           SELECT seq
             FROM job INDEXED BY job_key
            WHERE handler = $handler
              AND tenant  = $tenant
              AND concurrency_key = $concurrency_key
              AND concurrency_key IS NOT NULL
              AND (state = 'queued' OR state = 'running')
              AND crowded = 1
            ORDER BY priority, seq
            LIMIT $free + 0)
  RETURNING lane`;

const UNCLAIM = `
  UPDATE job
     SET state   = 'queued',
         crowded = 1,
         attempt = attempt - 1,
         boot_id = NULL
   WHERE id = $id`;

// Behind all that are crowded, and not only behind the key: SQLite would step over each of a million jobs that have it.
const NEXT = `
  SELECT tenant, handler, concurrency_key
    FROM job INDEXED BY job_key
   WHERE handler = $handler
     AND (tenant, concurrency_key, crowded) >= ($tenant, $concurrency_key, 2)
     AND concurrency_key IS NOT NULL
     AND (state = 'queued' OR state = 'running')
   ORDER BY tenant, concurrency_key
   LIMIT 1`;
