/**
 * GroupCommit: writes of one turn share one COMMIT, and nobody is answered before it.
 *
 * One durable commit costs an fsync (0.1 ms here, 10 ms elsewhere); a thousand
 * writes in one group cost one. Each write runs in a SAVEPOINT of its own, so
 * that one caller's refusal does not undo the others; a COMMIT that fails, fails
 * them all.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { Fault, messageOf } from "../../base/fault.ts";

interface Pending {
  work: () => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

interface Answer {
  pending: Pending;
  value?: unknown;
  error?: unknown;
}

/** Writes in one group: beyond this the next group starts, so that a flood cannot hold the event loop. */
const GROUP_WRITES_MAX = 2_000;

export class GroupCommit {
  readonly #env: Env;
  readonly #db: Database;
  #queue: Pending[] = [];
  #flushAsked = false;
  #closed = false;

  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #savepoint: Statement;
  readonly #release: Statement;
  readonly #rollbackTo: Statement;

  constructor(env: Env, db: Database) {
    this.#env = env;
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#rollback = db.prepare("ROLLBACK");
    this.#savepoint = db.prepare("SAVEPOINT write");
    this.#release = db.prepare("RELEASE write");
    this.#rollbackTo = db.prepare("ROLLBACK TO write");
  }

  /** Runs `work` in the next group. Settles after the commit, or with what `work` threw. */
  write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Fault("unreachable", "The store is closed."));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve, reject });
      this.#ask();
    });
  }

  /** Commits everything that waits, now. */
  flush(): void {
    while (this.#queue.length > 0) this.#flushGroup();
  }

  /** Commits what waits; later writes are refused. */
  close(): void {
    this.flush();
    this.#closed = true;
  }

  #ask(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    this.#env.soon(() => {
      this.#flushAsked = false;
      if (this.#queue.length > 0) this.#flushGroup();
      if (this.#queue.length > 0) this.#ask();
    });
  }

  #flushGroup(): void {
    const group = this.#queue.splice(0, GROUP_WRITES_MAX);
    const answers: Answer[] = [];
    try {
      this.#begin.run();
      for (const pending of group) answers.push(this.#attempt(pending, group.length > 1));
      this.#commit.run();
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run();
      const fault = storeFault(error);
      for (const pending of group) pending.reject(fault);
      return;
    }
    for (const { pending, value, error } of answers) {
      if (error === undefined) pending.resolve(value as never);
      else pending.reject(error);
    }
  }

  /** Runs one write. Alone in its group it needs no savepoint: what it throws undoes the group. */
  #attempt(pending: Pending, shared: boolean): Answer {
    if (!shared) return { pending, value: pending.work() };
    this.#savepoint.run();
    try {
      const value = pending.work();
      this.#release.run();
      return { pending, value };
    } catch (error) {
      if (!this.#db.inTransaction) throw error; // SQLite has undone everything: a full disk, a failing one.
      this.#rollbackTo.run();
      this.#release.run();
      return { pending, error: storeFault(error) };
    }
  }
}

/** Turns what SQLite says about the disk into a sentence; anything else stays what it is. */
function storeFault(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code.startsWith("SQLITE_FULL")) {
    return new Fault("exhausted", "The disk is full: nothing was written.", {
      hint: "Free some space; qntx goes on by itself.",
      cause: error,
    });
  }
  if (code.startsWith("SQLITE_BUSY")) {
    return new Fault("unreachable", "The database is locked by another program: nothing was written.", {
      hint: "A SQLite shell or a backup tool may have it open; qntx goes on by itself.",
      cause: error,
    });
  }
  if (code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_IOERR")) {
    return new Fault("failed", `The database could not be written: ${messageOf(error)}.`, { cause: error });
  }
  return error;
}
