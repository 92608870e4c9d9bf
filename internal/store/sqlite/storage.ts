/** Storage in SQLite: a row for each key. Triggers count what is in each room, whoever removes it. */
import type { Database, Statement } from "bun:sqlite";
import type { Exceeded, Metered } from "../../access/quota.ts";
import type { Env } from "../../base/env.ts";
import type { Page, PageRequest } from "../page.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import type {
  NewValue,
  StorageRefusal,
  StorageRoom,
  StorageStore,
  StorageUse,
  StoredKey,
  StoredValue,
} from "../storage.ts";
import type { GroupCommit } from "./group.ts";
import { pageLimit, pageOf } from "./page.ts";

type Values = Record<string, string | number | null | Uint8Array>;

interface Use {
  version: number;
  keys: number;
  bytes: number;
}

const SWEEP_ROWS = 1_000; // Of one `set`: more than one can add.
const STEP_ROWS = 100; // Values are up to 1 MiB: some milliseconds.

export class SqliteStorage implements StorageStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #get: Statement<StoredValue, [Values]>;
  readonly #list: Statement<StoredKey, [Values]>;
  readonly #use: Statement<Use, [Values]>;
  readonly #rooms: Statement<StorageRoom & StorageUse, []>;
  readonly #nextVersion: Statement<{ version: number }, [Values]>;
  readonly #set: Statement<unknown, [Values]>;
  readonly #delete: Statement<unknown, [Values]>;
  readonly #sweep: Statement<unknown, [Values]>;
  readonly #clear: Statement<unknown, [Values]>;
  readonly #forget: Statement<unknown, [Values]>;
  readonly #prune: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#env = env;
    this.#group = group;
    this.#get = db.prepare(GET);
    this.#list = db.prepare(LIST);
    this.#use = db.prepare(USE);
    this.#rooms = db.prepare(ROOMS);
    this.#nextVersion = db.prepare(NEXT_VERSION);
    this.#set = db.prepare(SET);
    this.#delete = db.prepare(DELETE);
    this.#sweep = db.prepare(SWEEP);
    this.#clear = db.prepare(CLEAR);
    this.#forget = db.prepare(FORGET);
    this.#prune = db.prepare(PRUNE);
  }

  async get(room: StorageRoom, key: string): Promise<StoredValue | null> {
    return this.#find(room, key);
  }

  /** The keys that begin so stand side by side, so that the first one that does not ends them. */
  async list(room: StorageRoom, prefix: string, page: PageRequest): Promise<Page<StoredKey>> {
    const limit = pageLimit(page);
    const place = { ...keyOf(room), prefix, after: page.cursor ?? null, now: this.#env.now() };
    const rows = this.#list.all({ ...place, limit: limit + 1 });
    const end = rows.findIndex(({ key }) => !key.startsWith(prefix));
    return pageOf(end < 0 ? rows : rows.slice(0, end), limit, readKey, ({ key }) => key);
  }

  set(metered: Metered, wanted: NewValue): Promise<StoredKey | StorageRefusal> {
    return this.#group.write(() => {
      const now = this.#env.now();
      const room = keyOf(metered);
      this.#sweep.run({ ...room, now, limit: SWEEP_ROWS });
      const before = this.#find(metered, wanted.key);
      const version = before?.version ?? 0;
      if (wanted.version !== undefined && wanted.version !== version) return { refused: "version", version };
      const exceeded = this.#tooMuch(metered, wanted, before);
      if (exceeded) return { refused: "quota", exceeded };
      const { key, value, ttlMs } = wanted;
      const expiresAt = ttlMs === undefined ? null : now + ttlMs;
      const next = this.#nextVersion.get(room)?.version ?? 1;
      this.#set.run({ ...room, key, value, version: next, expiresAt });
      return { key, version: next, size: value.length, expiresAt };
    });
  }

  delete(room: StorageRoom, key: string): Promise<boolean> {
    return this.#group.write(() => {
      const isThere = this.#find(room, key) !== null;
      this.#delete.run({ ...keyOf(room), key });
      return isThere;
    });
  }

  async quotaUse(room: StorageRoom): Promise<StorageUse> {
    const { keys, bytes } = this.#used(room);
    return { storageKeys: keys, storageBytes: bytes };
  }

  async rooms(): Promise<(StorageRoom & StorageUse)[]> {
    return this.#rooms.all();
  }

  async clear(room: StorageRoom): Promise<number> {
    for (let cleared = 0; ;) {
      const removed = await this.#group.write(() => {
        const { changes } = this.#clear.run({ ...keyOf(room), limit: STEP_ROWS });
        if (changes === 0) this.#forget.run(keyOf(room));
        return changes;
      });
      if (removed === 0) return cleared;
      cleared += removed;
    }
  }

  prune({ before }: PruneRequest): Promise<Pruned> {
    return this.#group.write(() => {
      const removed = this.#prune.run({ before, limit: STEP_ROWS }).changes;
      return { removed, cursor: removed < STEP_ROWS ? null : "" };
    });
  }

  #find(room: StorageRoom, key: string): StoredValue | null {
    return this.#get.get({ ...keyOf(room), key, now: this.#env.now() });
  }

  #used(room: StorageRoom): Use {
    return this.#use.get(keyOf(room)) ?? { version: 0, keys: 0, bytes: 0 };
  }

  /** What takes no more room than before is taken, also where a quota was made smaller. */
  #tooMuch(metered: Metered, { key, value }: NewValue, before: StoredValue | null): Exceeded | null {
    const { storageKeys, storageBytes } = metered.quota;
    const use = this.#used(metered);
    const keys = use.keys + (before ? 0 : 1);
    if (!before && keys > storageKeys) return { limit: "storageKeys", allows: storageKeys, used: keys };
    const added = before ? value.length - before.size : value.length + Buffer.byteLength(key);
    const bytes = use.bytes + added;
    if (added <= 0 || bytes <= storageBytes) return null;
    return { limit: "storageBytes", allows: storageBytes, used: bytes };
  }
}

/** Nothing but what the statements bind. */
function keyOf({ plugin, tenant }: StorageRoom) {
  return { plugin, tenant };
}

function readKey({ key, version, size, expiresAt }: StoredKey): StoredKey {
  return { key, version, size, expiresAt };
}

const IN_ROOM = `
       plugin = $plugin
   AND tenant = $tenant`;

const GET = `
  SELECT key, version, length(value) AS size, expires_at AS expiresAt, value
    FROM plugin_storage
   WHERE ${IN_ROOM}
     AND key = $key
     AND (expires_at IS NULL OR expires_at > $now)`;

const LIST = `
  SELECT key, version, length(value) AS size, expires_at AS expiresAt
    FROM plugin_storage
   WHERE ${IN_ROOM}
     AND key >= $prefix
     AND key > COALESCE($after, '')
     AND (expires_at IS NULL OR expires_at > $now)
   ORDER BY key
   LIMIT $limit + 0`;

const USE = `
  SELECT version, keys, bytes
    FROM plugin_storage_use
   WHERE ${IN_ROOM}`;

const ROOMS = `
  SELECT plugin, tenant, keys AS storageKeys, bytes AS storageBytes
    FROM plugin_storage_use
   ORDER BY plugin, tenant`;

const NEXT_VERSION = `
  INSERT INTO plugin_storage_use (plugin, tenant, version, keys, bytes)
  VALUES ($plugin, $tenant, 1, 0, 0)
  ON CONFLICT (plugin, tenant) DO UPDATE
     SET version = version + 1
  RETURNING version`;

const SET = `
  INSERT INTO plugin_storage (plugin, tenant, key, version, expires_at, value)
  VALUES ($plugin, $tenant, $key, $version, $expiresAt, $value)
  ON CONFLICT (plugin, tenant, key) DO UPDATE
     SET version    = excluded.version,
         expires_at = excluded.expires_at,
         value      = excluded.value`;

const DELETE = `
  DELETE FROM plugin_storage
   WHERE ${IN_ROOM}
     AND key = $key`;

const SWEEP = `
  DELETE FROM plugin_storage
   WHERE rowid IN (
           SELECT rowid
             FROM plugin_storage
            WHERE ${IN_ROOM}
              AND expires_at <= $now
            LIMIT $limit + 0)`;

const CLEAR = `
  DELETE FROM plugin_storage
   WHERE rowid IN (
           SELECT rowid
             FROM plugin_storage
            WHERE ${IN_ROOM}
            LIMIT $limit + 0)`;

const FORGET = `
  DELETE FROM plugin_storage_use
   WHERE ${IN_ROOM}`;

const PRUNE = `
  DELETE FROM plugin_storage
   WHERE rowid IN (
           SELECT rowid
             FROM plugin_storage
            WHERE expires_at <= $before
            LIMIT $limit + 0)`;
