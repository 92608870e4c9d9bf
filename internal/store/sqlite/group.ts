/**
 * GroupCommit: writes of one turn share one COMMIT, and nobody is answered before it.
 *
 * One durable commit costs an fsync (0.1 ms here, 10 ms elsewhere); a thousand
 * writes in one group cost one. A COMMIT that fails, fails them all. A write that
 * throws fails alone: everything is undone and done again, each write in a
 * SAVEPOINT of its own. Not at once, because inside of one SQLite copies every page
 * before it changes: that doubles what a small write costs.
 *
 * So a write may run twice. What it changes outside of the database it must not
 * mind changing again.
 *
 * One write closes every group: it sees what all the others have written, and hears of
 * the commit before anybody else does anything.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { Fault, messageOf } from "../../base/fault.ts";

/** `careful` when it runs again, because somebody in its group threw. */
export type Write<T> = (careful: boolean) => T;

interface Pending {
  work: Write<unknown>;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

interface Answer {
  pending: Pending;
  value?: unknown;
  error?: unknown;
}

/** After this long, or so many writes, the next group starts in the next turn: a flood must not hold the event loop. */
const GROUP_MS_MAX: Millis = 10;
const GROUP_WRITES_MAX = 2_000;

export class GroupCommit {
  readonly #env: Env;
  readonly #db: Database;
  #queue: Pending[] = [];
  #closing: Pending | null = null;
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

  /** Runs `work` in one of the next groups. Settles after the commit, or with what `work` threw. */
  write<T>(work: Write<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Fault("unreachable", "The store is closed."));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve, reject });
      this.#ask();
    });
  }

  /** Has `work` close every group from now on. What it gave is `done` once the group is on disk, in the same turn. */
  closeWith<T>(
    work: Write<T>,
    { done, failed }: { done(value: T): void; failed(error: unknown): void },
  ): void {
    this.#closing = { work, resolve: done, reject: failed };
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
    let answers: Answer[];
    try {
      answers =
        this.#together(group, (pending) => this.#attempt(pending)) ??
        this.#together(group, (pending) => this.#attemptAlone(pending)) ??
        [];
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run();
      const fault = storeFault(error);
      for (const pending of group) pending.reject(fault);
      this.#closing?.reject(fault);
      return;
    }
    const closings = this.#closing ? 1 : 0;
    this.#queue.unshift(...group.slice(answers.length - closings));
    for (const { pending, value, error } of answers) {
      if (error === undefined) pending.resolve(value as never);
      else pending.reject(error);
    }
  }

  /** Commits as many writes as time allows. Null when one could not be made: then none is. */
  #together(group: readonly Pending[], attempt: (pending: Pending) => Answer | null): Answer[] | null {
    const until = this.#env.mono() + GROUP_MS_MAX;
    const answers: Answer[] = [];
    const add = (pending: Pending): boolean => {
      const answer = attempt(pending);
      if (answer) answers.push(answer);
      else this.#rollback.run();
      return answer !== null;
    };
    this.#begin.run();
    for (const pending of group) {
      if (!add(pending)) return null;
      if (this.#env.mono() >= until) break;
    }
    if (this.#closing && !add(this.#closing)) return null;
    this.#commit.run();
    return answers;
  }

  #attempt(pending: Pending): Answer | null {
    try {
      return { pending, value: pending.work(false) };
    } catch (error) {
      if (!this.#db.inTransaction) throw error; // SQLite has undone everything: a full disk, a failing one.
      return null;
    }
  }

  #attemptAlone(pending: Pending): Answer {
    this.#savepoint.run();
    try {
      const value = pending.work(true);
      this.#release.run();
      return { pending, value };
    } catch (error) {
      if (!this.#db.inTransaction) throw error;
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
