/**
 * A lock provider: hosts on one machine, each with a data folder of its own, share locks
 * in one SQLite file. `[locks] provider = "file-locks"`, and `[file-locks] path`.
 */
import { Database } from "bun:sqlite";
import { definePlugin, type LockContention, type LockHandle, type Locks } from "qntx";

export default definePlugin({
  name: "file-locks",
  version: "0.1.0",
  description: "Locks in a SQLite file, for several hosts on one machine",
  locks: ({ config }) => openLocks(config["path"] ?? "locks.db"),
});

interface Held {
  holder: string;
  until: number;
}

function openLocks(path: string): Locks {
  const db = new Database(path, { create: true, strict: true });
  db.run("PRAGMA busy_timeout = 2000"); // Another host's plugin may be writing.
  db.run("PRAGMA synchronous = FULL"); // A lock that was given survives a power cut.
  // AUTOINCREMENT never gives a number twice: that makes it a fence.
  db.run(`
    CREATE TABLE IF NOT EXISTS lock (
      fence  INTEGER PRIMARY KEY AUTOINCREMENT,
      key    TEXT NOT NULL UNIQUE,
      token  TEXT NOT NULL UNIQUE,
      holder TEXT NOT NULL,
      until  INTEGER NOT NULL
    )`);

  const tryLock = db.transaction(
    (key: string, ttlMs: number, holder: string): LockHandle | LockContention => {
      const now = Date.now();
      db.run("DELETE FROM lock WHERE until <= ? OR (key = ? AND holder = ?)", [now, key, holder]);
      const other = db.query<Held, [string]>("SELECT holder, until FROM lock WHERE key = ?").get(key);
      if (other) return { holder: other.holder, leftMs: other.until - now };
      const token = crypto.randomUUID();
      const { lastInsertRowid } = db.run("INSERT INTO lock (key, token, holder, until) VALUES (?, ?, ?, ?)", [
        key,
        token,
        holder,
        now + ttlMs,
      ]);
      return { token, fence: Number(lastInsertRowid) };
    },
  );

  return {
    tryLock: async ({ key, ttlMs, holder }) => tryLock.immediate(key, ttlMs, holder),
    async renew(token, ttlMs) {
      const now = Date.now();
      const sql = "UPDATE lock SET until = ? WHERE token = ? AND until > ?";
      return db.run(sql, [now + ttlMs, token, now]).changes === 1;
    },
    async release(token) {
      return db.run("DELETE FROM lock WHERE token = ? AND until > ?", [token, Date.now()]).changes === 1;
    },
  };
}
