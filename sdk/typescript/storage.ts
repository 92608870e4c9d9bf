/** Storage: values by key that outlive the plugin's process. */
import { StorageServiceService as Service, type StoredKey as Wire } from "../../proto/gen/qntx/v1/storage.ts";
import type { Ask } from "./call.ts";
import { fromBytes, toBytes } from "./codec.ts";
import { HostError } from "./host-error.ts";
import type { Json } from "./qntx.ts";

/** A key of the plugin's storage. */
export interface StoredKey {
  key: string;
  /** Greater after every change, and never the same again, also when the key was deleted in between. */
  version: number;
  /** Bytes of the value. */
  size: number;
  /** ISO 8601; empty means never. */
  expiresAt: string;
}

/** What is stored under a key. */
export interface StoredValue extends StoredKey {
  /** Read as JSON; text when it is not JSON. */
  value: Json;
  bytes: Uint8Array;
}

export interface StoreOptions {
  /** Rejected with `conflict` unless the key has this version now; 0: unless it is not there. */
  version?: number;
  /** Milliseconds after which it is gone. */
  ttlMs?: number;
}

/** Values that the plugin keeps by key, apart from everybody else's, over restarts and upgrades. Needs cap:storage.kv. */
export interface Storage {
  get(key: string): Promise<StoredValue | undefined>;
  /** JSON, or bytes as they are, at most 1 MiB. Resolves when it is on disk. */
  set(key: string, value: Json, options?: StoreOptions): Promise<StoredKey>;
  /** False when there was none. */
  delete(key: string): Promise<boolean>;
  /** A page of at most `limit` keys (50 when absent, 1,000 at most) that begin so; `cursor` leads to the next one, and is empty on the last. */
  list(page?: {
    prefix?: string;
    limit?: number;
    cursor?: string;
  }): Promise<{ keys: StoredKey[]; cursor: string }>;
}

/** Makes `host.storage`. */
export function createStorage(ask: Ask): Storage {
  return {
    async get(key) {
      try {
        const { about, value } = await ask(Service.get, { key });
        if (!about) throw new HostError("INTERNAL", "The host did not say what it found.");
        return { ...readKey(about), value: fromBytes(value), bytes: value };
      } catch (error) {
        if (error instanceof HostError && error.code === "not-found") return undefined;
        throw error;
      }
    },
    async set(key, value, { version, ttlMs } = {}) {
      return readKey(await ask(Service.set, { key, value: toBytes(value), version, ttlMs }));
    },
    async delete(key) {
      return (await ask(Service.delete, { key })).deleted;
    },
    async list({ prefix = "", limit = 0, cursor = "" } = {}) {
      const page = await ask(Service.list, { prefix, limit, cursor });
      return { keys: page.keys.map(readKey), cursor: page.cursor };
    },
  };
}

function readKey({ key, version, size, expiresAt }: Wire): StoredKey {
  return { key, version, size, expiresAt };
}
