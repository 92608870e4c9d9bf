/** Opens the store of a data folder. The one place that knows which engine there is. */
import { chmodSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../base/disk.ts";
import type { Env } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { LocksBy } from "../schedule/lock.ts";
import { type HostLock, takeHostLock } from "./lock.ts";
import { openDatabase } from "./sqlite/open.ts";
import { SqliteStore } from "./sqlite/store.ts";
import type { Store } from "./store.ts";

export interface OpenedStore {
  store: Store;
  lock: HostLock;
}

/** Opens the store and takes the host's lock. Null when another process has the lock; throws a Fault when it cannot be opened. `log` hears of what cannot be answered to anybody; `locksBy` keeps the locks of schedules. */
export function openStore(
  env: Env,
  home: string,
  { locksBy, log }: { locksBy: LocksBy; log: Log },
): OpenedStore | null {
  makeHome(home);
  const lock = lockHome(home);
  if (!lock) return null;
  try {
    const db = openDatabase(join(home, "qntx.db"));
    const tzdata = process.versions["tz"] ?? process.versions["icu"] ?? "unknown";
    const logPath = join(home, "logs.db");
    const isOurs = () => lock.isHeld();
    const store = new SqliteStore(env, { db, logPath, tzdata, locksBy, log, isOurs });
    return { lock, store };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function lockHome(home: string): HostLock | null {
  try {
    return takeHostLock(home);
  } catch (error) {
    throw unusable(home, "written to", error);
  }
}

/** The mode of a data folder through which the users of plugins pass; its files are closed to them then. */
export const PASSAGE_MODE = 0o701;

/** Makes the data folder, readable by its owner alone. */
export function makeHome(home: string): void {
  try {
    makeFolder(home, 0o700);
    // A command may come by while the plugins of a host pass through.
    if ((statSync(home).mode & 0o777) !== PASSAGE_MODE) chmodSync(home, 0o700);
  } catch (error) {
    const isFolder = existsSync(`${home}/.`);
    throw unusable(home, isFolder ? "written to" : "made", error);
  }
}

function unusable(home: string, what: "made" | "written to", cause: unknown): Fault {
  return new Fault("config", `home: the data folder ${home} cannot be ${what}: ${messageOf(cause)}.`, {
    hint: "Set QNTX_HOME or --home to a folder that you may write to.",
    cause,
  });
}
