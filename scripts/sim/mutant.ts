/**
 * Mutant: a breakage that somebody could make, put into the core from outside.
 * Statements are changed on their way to the database, answers on their way back.
 */
import type { Database } from "bun:sqlite";
import type { Env } from "../../internal/base/env.ts";
import type { Pulse } from "../../internal/pulse/pulse.ts";
import type { SqliteStore } from "../../internal/store/sqlite/store.ts";
import type { Call, Sabotage } from "./database.ts";
import type { JobFinish } from "./line.ts";

/** A breakage that somebody could make, put into the core from outside. */
export interface Mutant {
  /** What is broken. */
  name: string;
  /** True when the first world does not catch it: it is hunted in the long proof, not with every change. */
  rare?: boolean;
  /** Changes the empty database. */
  database?(db: Database): void;
  /** Changes statements, anew for each host. */
  sabotage?(env: Env): Sabotage;
  store?(store: SqliteStore): void;
  pulse?(pulse: Pulse): void;
  /** Changes what a plugin says of a job, before the host hears it; `fence` is that of the attempt that runs. */
  finish?(finish: JobFinish, fence: number | undefined): void;
  /** Changes the database when all is done, behind the back of everybody but `schedule verify`. */
  atEnd?(db: Database): void;
}

/** The answer of a statement that was not made. */
export const DONE = { changes: 1, lastInsertRowid: 0 };

/** Changes the text of statements: [what it is known by, what is replaced, by what]. */
export function edited(...edits: readonly [string, string, string][]): Sabotage {
  const missing = new Set(edits);
  return {
    text(sql) {
      let changed = sql;
      for (const edit of edits) {
        const [mark, from, to] = edit;
        if (!sql.includes(mark) || !sql.includes(from)) continue;
        changed = changed.replace(from, to);
        missing.delete(edit);
      }
      return changed;
    },
    checkApplied() {
      for (const [mark] of missing)
        throw new Error(`no statement is like "${mark}": the mutant changes nothing`);
    },
  };
}

/** Does something else where one statement would be called. */
export function instead(mark: string, act: (call: Call) => unknown): Sabotage {
  return { mark, call: (call) => (call.sql.includes(mark) ? act(call) : call.make()) };
}
