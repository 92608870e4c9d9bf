/**
 * Alone: a part of a write that may fail without the rest of it. For the second try of
 * a group, when something in it could not be written: whoever is at fault is left out,
 * and the others are not tried for ever with it.
 */
import { type Database, SQLiteError, type Statement } from "bun:sqlite";

export class Alone {
  readonly #savepoint: Statement;
  readonly #rollbackTo: Statement;
  readonly #release: Statement;

  constructor(db: Database) {
    this.#savepoint = db.prepare("SAVEPOINT alone");
    this.#rollbackTo = db.prepare("ROLLBACK TO alone");
    this.#release = db.prepare("RELEASE alone");
  }

  /** Does `work`, or nothing of it: then returns what it threw. Throws what is the disk's fault, which concerns all. */
  attempt(work: () => void): unknown {
    this.#savepoint.run();
    let failure: unknown = null;
    try {
      work();
    } catch (error) {
      if (!isOurMistake(error)) throw error;
      this.#rollbackTo.run();
      failure = error;
    }
    this.#release.run();
    return failure;
  }
}

/** Not the disk's: a value that cannot be written, a plan that cannot be evaluated, a row that contradicts another. */
export function isOurMistake(error: unknown): boolean {
  if (!(error instanceof SQLiteError)) return true;
  const code = error.code ?? "";
  return code.startsWith("SQLITE_CONSTRAINT") || code === "SQLITE_MISMATCH" || code === "SQLITE_TOOBIG";
}
