/**
 * The host's lock: one host per data folder. It is an exclusive SQLite lock on a
 * small file of its own, which the kernel lets go of when its holder dies.
 *
 * Nothing but this may ever open that file: in the holding process even a plain
 * read of it would drop the POSIX lock. And somebody must keep a reference: an
 * unreferenced handle is collected within a second, and its lock with it.
 */
import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { join } from "node:path";

export interface HostLock {
  /** False once somebody has removed or replaced the file: from then on another host can have the folder. */
  isHeld(): boolean;
  release(): void;
}

/** Locks that are held, so that the garbage collector leaves their handles alone. */
const held = new Set<Database>();

/** Takes the lock of a data folder. Null when somebody else has it. */
export function takeHostLock(home: string): HostLock | null {
  const path = join(home, "host.lock");
  const db = new Database(path, { create: true });
  try {
    db.run("PRAGMA journal_mode = DELETE");
    db.run("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY"))
      return null;
    throw error;
  }
  held.add(db);
  const inode = inodeOf(path); // Nobody else's while we have it open.
  return {
    isHeld: () => inodeOf(path) === inode,
    release() {
      if (!held.delete(db)) return;
      db.run("ROLLBACK");
      db.close();
    },
  };
}

/** Of the file that has this name now; null when there is none. It is looked up, not opened. */
function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}
