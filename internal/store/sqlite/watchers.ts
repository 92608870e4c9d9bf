/**
 * Watchers in SQLite: a row for each. What they want is kept in memory, and held against
 * every attestation that is written; how far they have come is read and written in the
 * transaction that makes the jobs.
 */
import type { Database, Statement } from "bun:sqlite";
import { UNLIMITED } from "../../access/quota.ts";
import type { Attestation } from "../../ats/attestation.ts";
import { bookFire, type Watcher, wants, watcherPayload } from "../../ats/watcher.ts";
import type { Env, Millis } from "../../base/env.ts";
import { newId } from "../../base/id.ts";
import type { CaughtUp, KeptWatcher, WatcherStore } from "../watchers.ts";
import { type AttestationRow, readAttestation } from "./attestation-row.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";
import type { SqliteJobs } from "./jobs.ts";

const QUIET_MS: Millis = 600_000; // Between two events about one plugin: who comes after and falls behind again does so every second.

type Values = Record<string, string | number | null>;

interface WatcherRow {
  plugin: string;
  id: string;
  tenant: string;
  handler: string;
  subjects: string;
  predicates: string;
  contexts: string;
  actors: string;
  fires_per_second_max: number;
  queue_depth: number | null;
  next_at: number;
  behind: number | null;
  fires: number;
  last_fired_at: number | null;
}

export class SqliteWatchers implements WatcherStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #jobs: SqliteJobs;
  readonly #events: SqliteEvents;
  readonly #all: Statement<WatcherRow, []>;
  readonly #get: Statement<WatcherRow, [Values]>;
  readonly #set: Statement<unknown, [Values]>;
  readonly #delete: Statement<unknown, [Values]>;
  readonly #fired: Statement<unknown, [Values]>;
  readonly #behind: Statement<unknown, [Values]>;
  readonly #missed: Statement<AttestationRow, [Values]>;
  #watchers: readonly Watcher[] = [];

  constructor(
    env: Env,
    { db, group, jobs, events }: { db: Database; group: GroupCommit; jobs: SqliteJobs; events: SqliteEvents },
  ) {
    this.#env = env;
    this.#group = group;
    this.#jobs = jobs;
    this.#events = events;
    this.#all = db.prepare("SELECT * FROM watcher ORDER BY plugin, id");
    this.#get = db.prepare("SELECT * FROM watcher WHERE plugin = $plugin AND id = $id");
    this.#set = db.prepare(SET);
    this.#delete = db.prepare("DELETE FROM watcher WHERE plugin = $plugin AND id = $id");
    this.#fired = db.prepare(FIRED);
    this.#behind = db.prepare("UPDATE watcher SET behind = $behind WHERE plugin = $plugin AND id = $id");
    this.#missed = db.prepare(MISSED_SQL);
    this.#read();
  }

  get any(): boolean {
    return this.#watchers.length > 0;
  }

  declare(plugin: string, watchers: readonly Omit<Watcher, "plugin">[]): Promise<void> {
    const wanted = new Set(watchers.map(({ id }) => id));
    return this.#change(() => {
      for (const row of this.#all.all())
        if (row.plugin === plugin && !wanted.has(row.id)) this.#delete.run({ plugin, id: row.id });
      for (const watcher of watchers) this.#set.run(rowOf({ ...watcher, plugin }));
    });
  }

  keep(plugins: readonly string[]): Promise<void> {
    return this.#change(() => {
      for (const { plugin, id } of this.#all.all())
        if (!plugins.includes(plugin)) this.#delete.run({ plugin, id });
    });
  }

  async of(plugin: string): Promise<KeptWatcher[]> {
    return this.#all.all().flatMap((row) => (row.plugin === plugin ? [readWatcher(row)] : []));
  }

  async catchUp(limit: number): Promise<CaughtUp> {
    const all: CaughtUp = { made: 0, more: false };
    for (const row of this.#all.all()) {
      if (row.behind === null) continue;
      const one = await this.#group.write(() => this.#catchUp(row, limit)); // Others have their turn between two of them.
      all.made += one.made;
      all.more ||= one.more;
    }
    return all;
  }

  /** Makes the jobs of an attestation that was written just now, inside the running group. */
  written(attestation: Attestation, seq: number): void {
    for (const watcher of this.#watchers) {
      if (!wants(watcher, attestation)) continue;
      const row = this.#get.get({ plugin: watcher.plugin, id: watcher.id });
      if (!row || row.behind !== null) continue; // It comes to this one in its turn.
      const why = this.#fire(watcher, row.next_at, attestation);
      if (why !== null) this.#fallBehind(watcher, seq - 1, why);
    }
  }

  #fallBehind({ plugin, id }: Watcher, behind: number, why: string): void {
    this.#behind.run({ plugin, id, behind });
    const said = this.#events.last("watcher.behind", plugin);
    if (said && Math.abs(this.#env.now() - said.at) < QUIET_MS) return;
    const message = `Watcher ${id} of plugin ${plugin} ${why}: the rest waits.`;
    this.#events.addNow({ kind: "watcher.behind", subject: plugin, message, data: { plugin, watcher: id } });
  }

  /** Goes on where it stopped, if it is still there. */
  #catchUp({ plugin, id }: WatcherRow, limit: number): CaughtUp {
    const found = this.#get.get({ plugin, id });
    const behind = found?.behind ?? null;
    if (!found || behind === null) return { made: 0, more: false };
    const watcher = readWatcher(found);
    const rows = this.#missed.all({ after: behind, tenant: watcher.tenant, limit });
    let made = 0;
    for (const row of rows) {
      const attestation = readAttestation(row);
      if (!wants(watcher, attestation)) continue;
      const nextAt = this.#get.get({ plugin, id })?.next_at ?? 0;
      if (this.#fire(watcher, nextAt, attestation) !== null) {
        this.#behind.run({ plugin, id, behind: row.seq - 1 });
        return { made, more: false };
      }
      made += 1;
    }
    const more = rows.length === limit;
    this.#behind.run({ plugin, id, behind: more ? (rows.at(-1)?.seq ?? behind) : null });
    return { made, more };
  }

  /** Makes one job, and gives null; or why it waits. */
  #fire(watcher: Watcher, nextAt: number, attestation: Attestation): string | null {
    const { plugin, id, tenant, handler, firesPerSecondMax, queueDepth } = watcher;
    const now = this.#env.now();
    const booked = bookFire(watcher, nextAt, now);
    if (!booked) return `matches more than the ${firesPerSecondMax} a second that it may run`;
    const made = this.#jobs.insertWithin({ plugin, tenant }, queueDepth, {
      id: newId(this.#env, "JB"),
      tenant,
      plugin,
      handler,
      payload: watcherPayload(attestation),
      trigger: "watcher",
      source: `watcher:${id}`,
      owner: `plugin:${plugin}`,
      runAt: booked.runAt,
      uniqueKey: `${plugin}/${id}:${attestation.id}`,
    });
    if (!made) return `makes no more jobs while its plugin has ${queueDepth} that have not ended`;
    this.#fired.run({ plugin, id, nextAt: booked.nextAt, now });
    return null;
  }

  /** What is held against attestations is what is on disk, whether or not the change came to that. */
  async #change(change: () => void): Promise<void> {
    try {
      await this.#group.write(change);
    } finally {
      this.#read();
    }
  }

  #read(): void {
    this.#watchers = this.#all.all().map(readWatcher);
  }
}

function rowOf({ subjects, predicates, contexts, actors, queueDepth, ...watcher }: Watcher): Values {
  return {
    ...watcher,
    queueDepth: queueDepth === UNLIMITED ? null : queueDepth,
    subjects: JSON.stringify(subjects),
    predicates: JSON.stringify(predicates),
    contexts: JSON.stringify(contexts),
    actors: JSON.stringify(actors),
  };
}

function readWatcher(row: WatcherRow): KeptWatcher {
  return {
    plugin: row.plugin,
    id: row.id,
    tenant: row.tenant,
    handler: row.handler,
    subjects: JSON.parse(row.subjects) as string[],
    predicates: JSON.parse(row.predicates) as string[],
    contexts: JSON.parse(row.contexts) as string[],
    actors: JSON.parse(row.actors) as string[],
    firesPerSecondMax: row.fires_per_second_max,
    queueDepth: row.queue_depth ?? UNLIMITED,
    fires: row.fires,
    lastFiredAt: row.last_fired_at,
    behind: row.behind !== null,
  };
}

const SET = `
  INSERT INTO watcher (plugin, id, tenant, handler, subjects, predicates, contexts, actors, fires_per_second_max,
                       queue_depth)
  VALUES ($plugin, $id, $tenant, $handler, $subjects, $predicates, $contexts, $actors, $firesPerSecondMax,
          $queueDepth)
  ON CONFLICT (plugin, id) DO UPDATE
     SET tenant               = excluded.tenant,
         handler              = excluded.handler,
         subjects             = excluded.subjects,
         predicates           = excluded.predicates,
         contexts             = excluded.contexts,
         actors               = excluded.actors,
         fires_per_second_max = excluded.fires_per_second_max,
         queue_depth          = excluded.queue_depth`;

const FIRED = `
  UPDATE watcher
     SET next_at       = $nextAt,
         fires         = fires + 1,
         last_fired_at = $now
   WHERE plugin = $plugin
     AND id     = $id`;

/** The oldest first: it goes on where it stopped. Those of other tenants, however many, are not looked at. */
export const MISSED_SQL = `
  SELECT *
    FROM attestation INDEXED BY attestation_tenant
   WHERE seq > $after
     AND tenant = $tenant
   ORDER BY seq
   LIMIT $limit + 0`;
