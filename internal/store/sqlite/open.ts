/** Opens a database file the way qntx needs it: durable, checked, migrated. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { Fault, messageOf } from "../../base/fault.ts";
import { migrate } from "./migrate.ts";

const BUSY_TIMEOUT_MS = 5_000; // Only a backup or a person with a SQLite shell can be in the way.
const WAL_BYTES_MAX = 67_108_864; // The log file is cut back to this after a checkpoint.
const CACHE_KIB = 65_536;

/** When to look at every page of the file, which takes two seconds for a million jobs. */
export type CheckWhen = "always" | "after-a-crash";

/** Opens and migrates. Throws a Fault when the file cannot be opened, is damaged, or is newer than this program. */
export function openDatabase(path: string, check: CheckWhen): Database {
  const crashed = existsSync(`${path}-wal`); // Who closes in order leaves none behind.
  let db: Database;
  try {
    db = new Database(path, { create: true, strict: true });
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = FULL"); // An acknowledged write survives a power cut; NORMAL loses the last ones.
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    db.run(`PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`);
    db.run(`PRAGMA cache_size = -${CACHE_KIB}`);
    db.run("PRAGMA foreign_keys = ON");
    if (check === "always" || crashed) checkIntegrity(db, path);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("failed", `The database ${path} cannot be opened: ${messageOf(error)}.`, {
      hint: "Check that the folder is there, writable, and that the disk is not full.",
      cause: error,
    });
  }
  migrate(db);
  return db;
}

function checkIntegrity(db: Database, path: string): void {
  const rows = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").all();
  if (rows[0]?.quick_check === "ok") return;
  db.close();
  throw new Fault("failed", `The database ${path} is damaged: ${rows[0]?.quick_check}.`, {
    hint: "qntx does not run on a damaged database. Restore a backup of the data folder, or recover the file with `sqlite3 .recover`.",
  });
}
