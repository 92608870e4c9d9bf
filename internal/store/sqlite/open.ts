/**
 * Opens a database file the way qntx needs it: durable, checked, migrated.
 *
 * To check means to look at every page, a second for a million jobs. It is left out
 * for a file that is as we closed it: its size and time stand in a mark beside it,
 * which is there only while nobody has it open. After a crash there is none, and
 * that of another copy does not fit.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Fault, messageOf } from "../../base/fault.ts";
import { migrate } from "./migrate.ts";

const BUSY_TIMEOUT_MS = 5_000; // In the way are a backup, a person with a SQLite shell, or a killed host whose locks go one after the other.
const WAL_BYTES_MAX = 67_108_864; // The log file is cut back to this after a checkpoint.
const WAL_PAGES = 500; // Then the log is copied into the file: two milliseconds for whoever commits then. Twice as many took four, more than a claim may, and were worth no more than a twentieth of a large call.
const CACHE_KIB = 4_096; // The system keeps the file's pages as well: ten times as much made nothing faster.

/** Opens and migrates. Throws a Fault when the file cannot be opened, is damaged, or is newer than this program. */
export function openDatabase(path: string): Database {
  const isAsClosed = path !== MEMORY && takeMark(path) === stateOf(path);
  let db: Database;
  try {
    db = new Database(path, { create: true, strict: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`); // First: what comes next may have to wait already.
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = FULL"); // An acknowledged write survives a power cut; NORMAL loses the last ones.
    db.run(`PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`);
    db.run(`PRAGMA wal_autocheckpoint = ${WAL_PAGES}`);
    db.run(`PRAGMA cache_size = -${CACHE_KIB}`);
    db.run("PRAGMA foreign_keys = ON");
    if (!isAsClosed) checkIntegrity(db, path);
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (error instanceof SQLiteError && error.code === "SQLITE_CORRUPT") throw damaged(path, error.message);
    throw new Fault("failed", `The database ${path} cannot be opened: ${messageOf(error)}.`, {
      hint:
        error instanceof SQLiteError && error.code === "SQLITE_NOTADB"
          ? "Something else was written there: move it away, and restore a backup of the data folder."
          : "Check that the folder is there, writable, and that the disk is not full.",
      cause: error,
    });
  }
  migrate(db);
  return db;
}

/** Closes a database in order, and leaves the mark that says so. */
export function closeDatabase(db: Database): void {
  const path = db.filename;
  try {
    db.run("PRAGMA wal_checkpoint(TRUNCATE)"); // Left to SQLite, it comes when the last statement is collected.
  } finally {
    db.close();
  }
  if (path !== MEMORY) writeFileSync(markOf(path), stateOf(path), { mode: 0o600 });
}

const MEMORY = ":memory:";

function markOf(path: string): string {
  return `${path}-closed`;
}

/** What changes with every change of the file. */
function stateOf(path: string): string {
  const { size, mtimeNs } = statSync(path, { bigint: true, throwIfNoEntry: false }) ?? {};
  return `${size} bytes, ${mtimeNs} ns`;
}

/** Reads the mark and removes it: from now on the file changes. Null when there is none. */
function takeMark(path: string): string | null {
  try {
    return readFileSync(markOf(path), "utf8");
  } catch {
    return null;
  } finally {
    rmSync(markOf(path), { force: true });
  }
}

function checkIntegrity(db: Database, path: string): void {
  const rows = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").all();
  if (rows[0]?.quick_check === "ok") return;
  db.close();
  throw damaged(path, rows[0]?.quick_check ?? "it cannot be checked");
}

function damaged(path: string, how: string): Fault {
  return new Fault("failed", `The database ${path} is damaged: ${how}.`, {
    hint: "qntx does not run on a damaged database. Restore a backup of the data folder, or recover the file with `sqlite3 .recover`.",
  });
}
