/**
 * Storage: values that a plugin keeps by key. Each plugin of each tenant has a room of
 * its own. A key has a version that grows with every change of its room and never comes
 * back, so that whoever read a value can say which one they mean to replace. A key whose
 * time is over is gone, whether its row is or not.
 */
import type { Exceeded, Metered } from "../access/quota.ts";
import type { Millis } from "../base/env.ts";
import type { Page, PageRequest } from "./page.ts";
import type { Pruned, PruneRequest } from "./prune.ts";

/** Whose keys. */
export type StorageRoom = Omit<Metered, "quota">;

export interface StoredKey {
  key: string;
  version: number;
  /** Bytes of the value. */
  size: number;
  expiresAt: Millis | null;
}

export interface StoredValue extends StoredKey {
  value: Uint8Array;
}

export interface NewValue {
  key: string;
  value: Uint8Array;
  /** It is set only if the key has this version; 0: if it is not there. */
  version?: number | undefined;
  /** It is gone after this time. */
  ttlMs?: Millis | undefined;
}

/** Why a value was not set: the key is at another version (0: it is not there), or the room is full. */
export type StorageRefusal =
  { refused: "version"; version: number } | { refused: "quota"; exceeded: Exceeded };

/** What a room takes up; what is over counts until it is removed, at the latest by the next `set`. */
export interface StorageUse {
  storageKeys: number;
  storageBytes: number;
}

export interface StorageStore {
  /** Null when there is no such key. */
  get(room: StorageRoom, key: string): Promise<StoredValue | null>;
  /** Keys that begin so, in the order of their bytes. */
  list(room: StorageRoom, prefix: string, page: PageRequest): Promise<Page<StoredKey>>;
  set(metered: Metered, wanted: NewValue): Promise<StoredKey | StorageRefusal>;
  /** False when there was no such key. */
  delete(room: StorageRoom, key: string): Promise<boolean>;
  /** All that are there, and what they take up. */
  rooms(): Promise<(StorageRoom & StorageUse)[]>;
  quotaUse(room: StorageRoom): Promise<StorageUse>;
  /** Removes a room with all that is in it. Returns how many keys those were. */
  clear(room: StorageRoom): Promise<number>;
  /** Removes keys whose time was over before then, of all rooms. */
  prune(request: PruneRequest): Promise<Pruned>;
}

export const STORAGE_KEY_BYTES_MAX = 512; // A name with a path in it, and not a value.
export const STORAGE_VALUE_BYTES_MAX = 1_048_576; // One write holds up all others for as long as it takes.
export const STORAGE_TTL_MAX_MS: Millis = 315_360_000_000; // Ten years: what is longer is for ever.
