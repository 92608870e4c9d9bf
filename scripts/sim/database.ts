/**
 * The database as a host sees it: the real one behind a door, where statements fail,
 * hosts die between two of them, and mutants change what is said. Nothing of this is
 * known to the code under test.
 *
 * The database itself lives in memory and outlives its hosts, as a file does: what
 * was committed stays, an open transaction is rolled back when its host dies.
 */
import type { Database, Statement } from "bun:sqlite";
import { openDatabase } from "../../internal/store/sqlite/open.ts";

/** What a statement does to a transaction. */
export type StatementKind = "begin" | "commit" | "rollback" | "savepoint" | "read" | "write";

/** Asked around every statement; may throw, and may kill. */
export interface Door {
  before(kind: StatementKind): void;
  after(kind: StatementKind): void;
  /** Kills the host, and does not return. */
  crash(why: string): never;
  /** Told every statement, to finalize it in the end: a database is not gone before its last one. */
  prepared(statement: Statement): void;
}

/** One call of a statement, which a mutant may make otherwise or not at all. */
export interface Call {
  sql: string;
  method: "run" | "get" | "all";
  values: Record<string, unknown>;
  /** Makes the call, with other values if given. */
  make(values?: Record<string, unknown>): unknown;
  /** Kills the host here. */
  crash(why: string): never;
}

/** A breakage of statements, put in from outside. */
export interface Sabotage {
  /** Changes the text of a statement before it is prepared. */
  text?(sql: string): string;
  /** Stands around every call. */
  call?(call: Call, db: Database): unknown;
  /** What the statement that it is about contains, if it is about one. */
  mark?: string;
  /** Throws when the core has no such statement any more. */
  checkApplied?(): void;
}

/** Opens an empty database, through the same door as production. */
export function openWorldDatabase(): Database {
  return openDatabase(":memory:");
}

/** The database for one host. Its `close` closes nothing. */
export function databaseFor(db: Database, door: Door, sabotage: Sabotage | null): Database {
  return new Proxy(db, {
    get(target, key) {
      if (key === "close") return () => {};
      if (key === "run") return (sql: string, ...values: []) => run(target, sql, values, door);
      if (key === "prepare") return (sql: string) => prepare(target, sql, door, sabotage);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** What is not prepared: savepoints, and what a store writes while it is opened. Hosts die at the former only. */
function run(db: Database, sql: string, values: [], door: Door): unknown {
  const kind = kindOf(sql);
  if (kind === "savepoint" || kind === "rollback") door.before(kind);
  return db.run(sql, ...values);
}

function prepare(db: Database, original: string, door: Door, sabotage: Sabotage | null): Statement {
  const sql = sabotage?.text?.(original) ?? original;
  const kind = kindOf(sql);
  const statement = db.prepare(sql);
  door.prepared(statement);
  const around =
    (method: Call["method"]) =>
    (...given: unknown[]) => {
      door.before(kind);
      const make = (values?: Record<string, unknown>) => callOf(statement, method, values ? [values] : given);
      const crash = (why: string) => door.crash(why);
      const call: Call = { sql: original, method, values: named(given), make, crash };
      const answer = sabotage?.call ? sabotage.call(call, db) : make();
      door.after(kind);
      return answer;
    };
  const methods = { run: around("run"), get: around("get"), all: around("all") };
  return new Proxy(statement, {
    get(target, key) {
      if (key === "run" || key === "get" || key === "all") return methods[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function callOf(statement: Statement, method: Call["method"], values: readonly unknown[]): unknown {
  return statement[method](...(values as never[])); // The types of what is bound are the core's own business.
}

/** Values by their names; those that have numbers are nobody's business here. */
function named([first]: readonly unknown[]): Record<string, unknown> {
  return typeof first === "object" && first !== null ? { ...first } : {};
}

function kindOf(sql: string): StatementKind {
  const word = /^\s*(\w+)/.exec(sql)?.[1]?.toUpperCase();
  switch (word) {
    case "BEGIN":
      return "begin";
    case "COMMIT":
      return "commit";
    case "ROLLBACK":
      return "rollback";
    case "SAVEPOINT":
    case "RELEASE":
      return "savepoint";
    case "SELECT":
      return "read";
    default:
      return "write";
  }
}
